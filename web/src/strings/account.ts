/** Texts of the account pages. */

export const account = {
  email: "E-mail address",
  password: "Password",
  newPassword: "New password",
  passwordHint: "At least 8 characters; longer is better.",
  signInTitle: "Sign in",
  signUpTitle: "Open an account",
  signIn: "Sign in",
  signUp: "Open account",
  noAccount: "No account yet?",
  haveAccount: "Have an account?",
  ended: "Your session has ended. Please sign in again.",
  emailInvalid: "Enter an e-mail address such as ada@example.com.",
  passwordShort: "At least 8 characters, please.",
  tryTitle: "Just looking?",
  tryText: "This exchange runs on your machine. One click opens a throw-away account with play money.",
  errors: {
    invalid_credentials: "Address or password is wrong.",
    email_taken: "There is an account with this address already. Sign in instead.",
    busy: "Many people are signing in right now. Try again in a moment.",
    unreachable: "The exchange could not be reached.",
  } as Record<string, string>,
} as const;

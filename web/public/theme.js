// Before the first paint, so that nobody is blinded by the other theme. A file of its own: the policy forbids inline scripts.
try {
  const chosen = JSON.parse(localStorage.getItem("crossbook.preferences") ?? "{}").theme;
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be closed to us; the system's theme is used.
}

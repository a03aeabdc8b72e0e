/** What a person chose for this browser. Nothing secret: this is the only module that may use local storage. */

import { create } from "zustand";

export type Theme = "system" | "dark" | "light";

interface Preferences {
  theme: Theme;
  interval: string;
  /** The markets marked as favourites. */
  favourites: string[];
  /** Whether it is worth asking for a session when the page is loaded. No secret: the session's cookie is the browser's. */
  hasSignedIn: boolean;
}

const KEY = "crossbook.preferences";
const DEFAULTS: Preferences = { theme: "system", interval: "15m", favourites: [], hasSignedIn: false };

function read(): Preferences {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>) };
  } catch {
    return DEFAULTS;
  }
}

export const usePreferences = create<Preferences>(read);

usePreferences.subscribe((preferences) => {
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // A browser that stores nothing forgets them with the page.
  }
  applyTheme(preferences.theme);
});

export function applyTheme(theme: Theme): void {
  const { dataset } = document.documentElement;
  if (theme === "system") delete dataset.theme;
  else dataset.theme = theme;
}

export const setTheme = (theme: Theme): void => usePreferences.setState({ theme });
export const rememberSignedIn = (hasSignedIn: boolean): void => usePreferences.setState({ hasSignedIn });
export const setInterval = (interval: string): void => usePreferences.setState({ interval });

export function toggleFavourite(symbol: string): void {
  usePreferences.setState(({ favourites }) => ({
    favourites: favourites.includes(symbol)
      ? favourites.filter((other) => other !== symbol)
      : [...favourites, symbol],
  }));
}

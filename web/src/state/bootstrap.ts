/** What happens once, before the first page is drawn. */

import { loadConfig } from "../wire/config";
import { startFeed } from "./market-feed";
import { applyTheme, usePreferences } from "./preferences";
import { resume } from "./session";

export async function bootstrap(): Promise<void> {
  applyTheme(usePreferences.getState().theme);
  await loadConfig();
  startFeed();
  void resume();
}

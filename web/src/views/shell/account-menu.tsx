import { Popover } from "@base-ui/react/popover";
import { useState } from "react";
import { Link, useLocation } from "react-router";

import { setTheme, usePreferences } from "../../state/preferences";
import { signOut, useSession } from "../../state/session";
import { t } from "../../strings";
import { Person, Leave } from "../parts/icons";

export function AccountMenu() {
  const session = useSession((state) => state.session);
  const { pathname } = useLocation();
  const [isOpen, setIsOpen] = useState(false);
  const isLeaving = pathname.startsWith("/sign-");
  return (
    <>
      {session.kind === "signedOut" && !isLeaving && (
        <>
          <Link className="button" to="/sign-in" state={{ from: pathname }}>
            {t.shell.signIn}
          </Link>
          <Link className="button primary sign-up-link" to="/sign-up" state={{ from: pathname }}>
            {t.shell.signUp}
          </Link>
        </>
      )}
      <Popover.Root open={isOpen} onOpenChange={setIsOpen}>
        <Popover.Trigger className="icon-button" aria-label={t.shell.menu}>
          <Person size={20} />
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Positioner className="popup-anchor" align="end" sideOffset={6}>
            <Popover.Popup className="popup" aria-label={t.shell.menu}>
              {session.kind === "signedIn" && <p className="menu-label">{session.email}</p>}
              <ThemeChoice />
              {session.kind === "signedIn" && (
                <>
                  <div className="menu-line" />
                  <button
                    type="button"
                    className="menu-item"
                    onClick={() => {
                      setIsOpen(false);
                      void signOut();
                    }}
                  >
                    <Leave size={16} /> {t.shell.signOut}
                  </button>
                </>
              )}
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      </Popover.Root>
    </>
  );
}

function ThemeChoice() {
  const theme = usePreferences((preferences) => preferences.theme);
  return (
    <fieldset className="theme-choice">
      <legend className="menu-label">{t.shell.theme}</legend>
      {(["system", "dark", "light"] as const).map((choice) => (
        <label key={choice} className="menu-item">
          <input type="radio" name="theme" checked={theme === choice} onChange={() => setTheme(choice)} />
          {t.shell.themeOf[choice]}
        </label>
      ))}
    </fieldset>
  );
}

import type { ReactNode } from "react";
import { Navigate, useLocation } from "react-router";

import { useSession } from "../../state/session";
import { Waiting } from "../parts/states";

/** Others are asked to sign in, and come back here then. */
export function SignedInOnly({ children }: { children: ReactNode }) {
  const kind = useSession(({ session }) => session.kind);
  const { pathname } = useLocation();
  if (kind === "unknown") return <Waiting />;
  return kind === "signedIn" ? children : <Navigate to="/sign-in" state={{ from: pathname }} replace />;
}

import { NavLink, Outlet } from "react-router";

import { useTitle } from "./title";

interface Props {
  title: string;
  pages: readonly (readonly [string, string])[];
  children?: React.ReactNode;
}

/** A page of several, with links between them that say which one is shown. */
export function SubPages({ title, pages, children }: Props) {
  useTitle(title);
  return (
    <div className="page">
      <h1>{title}</h1>
      {children}
      <nav className="tabs sub-pages" aria-label={title}>
        {pages.map(([path, text]) => (
          <NavLink key={path} to={path} className="tab" end>
            {text}
          </NavLink>
        ))}
      </nav>
      <Outlet />
    </div>
  );
}

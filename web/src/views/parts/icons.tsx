/** The few signs that the page uses. What they mean is said beside them or by their button's label. */

import type { ReactNode } from "react";

interface Props {
  size: number;
}

function Icon({ size, children }: Props & { children: ReactNode }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden
    >
      {children}
    </svg>
  );
}

export const Cross = ({ size }: Props) => (
  <Icon size={size}>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);

export const Down = ({ size }: Props) => (
  <Icon size={size}>
    <path d="M6 9l6 6 6-6" />
  </Icon>
);

export const Star = ({ size }: Props) => (
  <Icon size={size}>
    <path d="M12 3l2.8 5.7 6.2.9-4.5 4.4 1.1 6.2-5.6-2.9-5.6 2.9 1.1-6.2L3 9.6l6.2-.9z" />
  </Icon>
);

export const Person = ({ size }: Props) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="9.5" />
    <circle cx="12" cy="10" r="3.5" />
    <path d="M5.5 18.5a7.5 7.5 0 0 1 13 0" />
  </Icon>
);

export const Leave = ({ size }: Props) => (
  <Icon size={size}>
    <path d="M10 4H5v16h5M15 8l4 4-4 4M19 12H9" />
  </Icon>
);

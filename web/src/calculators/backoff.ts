/** How long to wait before attempt number `attempt` (from 0): doubling to a bound, and spread so that not all come at once. */
export function backoffMs(attempt: number, random: number): number {
  const base = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(base * (0.5 + random / 2));
}

export const FIRST_MS = 500;
export const MAX_MS = 15_000;

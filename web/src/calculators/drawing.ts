/**
 * The one place where amounts become binary floats: for what is only looked at (pixels, charts, sliders), never for
 * what is sent or added up. A lint rule keeps it so.
 */

import type { E8 } from "./money";

/** For a chart's scale. */
export const forDrawing = (value: E8): number => Number(value) / 1e8;

/** How much of the whole this part is, from 0 to 1. */
export const share = (part: E8, whole: E8): number =>
  whole <= 0n ? 0 : Math.min(1, Math.max(0, Number((part * 10_000n) / whole) / 10_000));

/** A count that is small by its nature. */
export const toCount = (value: bigint): number => Number(value);

/** The order being written, per market; so that a click in the book can put its price there. */

import { create } from "zustand";

import { EMPTY, type Form } from "../calculators/order-form";

interface Draft {
  form: Form;
  /** A price picked elsewhere, with a count so that picking the same again is noticed. */
  picked: { price: string; count: number } | null;
}

export const useDraft = create<Draft>(() => ({ form: EMPTY, picked: null }));

export const fillPrice = (price: string): void =>
  useDraft.setState(({ picked }) => ({ picked: { price, count: (picked?.count ?? 0) + 1 } }));

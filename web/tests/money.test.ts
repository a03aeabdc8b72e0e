import fc from "fast-check";
import { describe, expect, it } from "vitest";

import {
  changeBasisPoints,
  cutOff,
  divideFloor,
  e8,
  isOnGrid,
  ONE,
  parseAmount,
  placesOf,
  plain,
  roundUp,
  show,
  showBasisPoints,
  showShort,
  timesCeil,
  timesFloor,
} from "../src/calculators/money";

const MAX = (1n << 63n) - 1n;
const amount = fc.bigInt({ min: 0n, max: MAX });

describe("parsing and printing", () => {
  it.each([
    ["1", ONE],
    ["0.00000001", 1n],
    [".5", ONE / 2n],
    ["1.", ONE],
    [" 63120.10 ", 6_312_010_000_000n],
    ["92233720368.54775807", MAX],
  ])("reads %s", (text, value) => expect(parseAmount(text)).toBe(value));

  it.each([
    "",
    ".",
    "1e3",
    "-1",
    "+1",
    "1,5",
    "0x10",
    "1.123456789",
    "92233720368.54775808",
    "Infinity",
    "1 2",
  ])("takes %j for no amount", (text) => expect(parseAmount(text)).toBeNull());

  it("loses nothing there and back", () => {
    fc.assert(
      fc.property(amount, (value) => {
        expect(parseAmount(plain(value))).toBe(value);
      }),
    );
  });

  it("shows thousands and exact places, cutting off", () => {
    expect(show(e8("1234567.899"), 2)).toBe("1,234,567.89");
    expect(show(e8("0.00000001"), 2)).toBe("0.00");
    expect(show(e8("1000"), 0)).toBe("1,000");
    expect(show(e8("-1234.5"), 1)).toBe("-1,234.5");
  });

  it("shortens what is large", () => {
    expect(showShort(e8("12345"))).toBe("12.34K");
    expect(showShort(e8("3456789"))).toBe("3.45M");
    expect(showShort(e8("9876543210"))).toBe("9.87B");
    expect(showShort(e8("0.1234567"))).toBe("0.1234");
  });

  it("says what is no amount on the wire", () => expect(() => e8("NaN")).toThrow("not an amount"));
});

describe("calculating", () => {
  it("rounds to the side it names", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 16n }),
        fc.bigInt({ min: 1n, max: 10n ** 16n }),
        (a, b) => {
          const floor = timesFloor(a, b);
          expect(floor * ONE <= a * b && (floor + 1n) * ONE > a * b).toBe(true);
          expect(timesCeil(a, b) - floor).toBe((a * b) % ONE === 0n ? 0n : 1n);
          expect(divideFloor(a, b) * b <= a * ONE).toBe(true);
        },
      ),
    );
  });

  it("keeps to a grid", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 16n }),
        fc.bigInt({ min: 1n, max: 10n ** 10n }),
        (value, unit) => {
          expect(isOnGrid(cutOff(value, unit), unit) && cutOff(value, unit) <= value).toBe(true);
          expect(isOnGrid(roundUp(value, unit), unit) && roundUp(value, unit) >= value).toBe(true);
        },
      ),
    );
  });

  it("tells places and changes", () => {
    expect(placesOf(e8("0.01"))).toBe(2);
    expect(placesOf(e8("1"))).toBe(0);
    expect(showBasisPoints(changeBasisPoints(e8("100"), e8("101.255")))).toBe("+1.25%");
    expect(showBasisPoints(changeBasisPoints(e8("100"), e8("99.9")))).toBe("−0.10%");
    expect(showBasisPoints(changeBasisPoints(0n, e8("5")))).toBe("0.00%");
  });
});

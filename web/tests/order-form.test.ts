import { describe, expect, it } from "vitest";

import { toMarket } from "../src/calculators/markets";
import { e8, plain } from "../src/calculators/money";
import {
  type Action,
  check,
  EMPTY,
  type Form,
  reduce,
  stopType,
  summarize,
  type Surroundings,
  toRequest,
} from "../src/calculators/order-form";

const market = toMarket({
  symbol: "BTCUSDT",
  status: "TRADING",
  baseAsset: "BTC",
  quoteAsset: "USDT",
  filters: [
    { filterType: "PRICE_FILTER", minPrice: "0.01", maxPrice: "1000000", tickSize: "0.01" },
    { filterType: "LOT_SIZE", minQty: "0.00001", maxQty: "9000", stepSize: "0.00001" },
    { filterType: "MARKET_LOT_SIZE", minQty: "0", maxQty: "100", stepSize: "0" },
    {
      filterType: "NOTIONAL",
      minNotional: "5",
      applyMinToMarket: true,
      maxNotional: "9000000",
      applyMaxToMarket: false,
    },
  ],
});
const around: Surroundings = {
  market,
  bestBid: e8("59990"),
  bestAsk: e8("60010"),
  last: e8("60000"),
  freeBase: e8("2"),
  freeQuote: e8("10000"),
  makerRate: e8("0.001"),
  takerRate: e8("0.002"),
};
const written = (actions: Action[], from: Form = EMPTY, at = around): Form =>
  actions.reduce((form, action) => reduce(form, action, at), from);
const set = (
  field: "price" | "stopPrice" | "stopLimitPrice" | "quantity" | "total",
  text: string,
): Action => ({
  type: "field",
  field,
  text,
});
const problems = (form: Form, at = around): string[] =>
  check(form, at).map((found) => `${found.field}:${found.key}`);

describe("writing an order", () => {
  it("keeps total and amount together", () => {
    const byAmount = written([set("price", "50000"), set("quantity", "0.1")]);
    expect(byAmount.total).toBe("5000");
    expect(written([set("price", "40000")], byAmount).total).toBe("4000");
    const byTotal = written([set("price", "50000"), set("total", "123.456")]);
    expect(byTotal.quantity).toBe("0.00246");
    expect(written([set("quantity", "x")], byAmount).total).toBe("");
  });

  it("takes a share of what is available, cut off to the grid", () => {
    expect(written([set("price", "30000"), { type: "percent", percent: 50 }]).quantity).toBe("0.16666");
    expect(
      written([
        { type: "side", side: "SELL" },
        { type: "percent", percent: 100 },
      ]).quantity,
    ).toBe("2");
    const market = written([
      { type: "kind", kind: "MARKET" },
      { type: "percent", percent: 25 },
    ]);
    expect([market.total, market.typed]).toEqual(["2500", "total"]);
  });

  it("sums up what it costs", () => {
    const buy = written([set("price", "50000"), set("quantity", "0.1")]);
    const sums = summarize(buy, around);
    expect([plain(sums.fee ?? 0n), sums.feeAsset, plain(sums.available), plain(sums.used)]).toEqual([
      "0.0002",
      "BTC",
      "10000",
      "5000",
    ]);
    expect(plain(summarize({ ...buy, isPostOnly: true }, around).fee ?? 0n)).toBe("0.0001");
    expect(summarize({ ...buy, side: "SELL" }, around).feeAsset).toBe("USDT");
  });
});

describe("checking an order", () => {
  const good = written([set("price", "50000"), set("quantity", "0.1")]);

  it("finds nothing wrong with a good one", () => expect(problems(good)).toEqual([]));

  it.each<[string, Partial<Form>, string]>([
    ["no price", { price: "" }, "price:required"],
    ["price zero", { price: "0" }, "price:notAnAmount"],
    ["words", { price: "ten" }, "price:notAnAmount"],
    ["off the tick", { price: "50000.001" }, "price:offTick"],
    ["price too high", { price: "2000000" }, "price:priceTooHigh"],
    ["no amount", { quantity: "" }, "quantity:required"],
    ["amount zero", { quantity: "0" }, "quantity:quantityTooSmall"],
    ["off the step", { quantity: "0.000011" }, "quantity:offStep"],
    ["too much", { quantity: "9001" }, "quantity:quantityTooLarge"],
    ["worth too little", { quantity: "0.00001" }, "quantity:notionalTooSmall"],
    ["more than there is", { quantity: "0.3" }, "quantity:notEnough"],
    ["more to sell than there is", { side: "SELL", quantity: "3" }, "quantity:notEnough"],
    ["post-only that matches", { isPostOnly: true, price: "60010" }, "price:wouldMatch"],
  ])("refuses %s", (_, change, expected) => expect(problems({ ...good, ...change })).toContain(expected));

  it("refuses in a halted market", () => {
    expect(problems(good, { ...around, market: { ...market, isOpen: false } })).toContain(
      "form:marketHalted",
    );
  });

  it("refuses a market order when nobody is there", () => {
    const form = written([{ type: "kind", kind: "MARKET" }, set("quantity", "0.1")]);
    expect(problems(form)).toEqual([]);
    expect(problems(form, { ...around, bestAsk: null, last: null })).toEqual(["form:nobodyToTradeWith"]);
    expect(problems({ ...form, quantity: "101" })).toContain("quantity:quantityTooLarge");
  });

  it("wants the market between the prices of an OCO", () => {
    const sell = {
      ...good,
      kind: "OCO",
      side: "SELL",
      price: "61000",
      stopPrice: "59000",
      stopLimitPrice: "58900",
    } as const;
    expect(problems(sell)).toEqual([]);
    expect(problems({ ...sell, stopPrice: "60500" })).toEqual(["stopPrice:ocoPricesCross"]);
    expect(problems({ ...sell, side: "BUY" })).toContain("stopPrice:ocoPricesCross");
  });
});

describe("sending an order", () => {
  const form = written([set("price", "50000.10"), set("quantity", ".1")]);

  it("is what the dialect asks for", () => {
    expect(toRequest(form, around, "id")).toEqual({
      path: "/api/v3/order",
      parameters: {
        symbol: "BTCUSDT",
        side: "BUY",
        newClientOrderId: "id",
        type: "LIMIT",
        timeInForce: "GTC",
        price: "50000.1",
        quantity: "0.1",
      },
    });
    expect(toRequest({ ...form, isPostOnly: true }, around, "id").parameters.type).toBe("LIMIT_MAKER");
  });

  it("sends a market order by what was typed", () => {
    const byTotal = written([{ type: "kind", kind: "MARKET" }, set("total", "100")]);
    expect(toRequest(byTotal, around, "id").parameters).toMatchObject({
      type: "MARKET",
      quoteOrderQty: "100",
    });
    const byAmount = written([set("quantity", "0.5")], byTotal);
    expect(toRequest(byAmount, around, "id").parameters).toMatchObject({ type: "MARKET", quantity: "0.5" });
  });

  it("chooses the kind of stop by the side of the market", () => {
    const stop = (side: "BUY" | "SELL", stopPrice: string): string =>
      stopType({ ...form, side, stopPrice }, around.last);
    expect(stop("BUY", "61000")).toBe("STOP_LOSS_LIMIT");
    expect(stop("BUY", "59000")).toBe("TAKE_PROFIT_LIMIT");
    expect(stop("SELL", "59000")).toBe("STOP_LOSS_LIMIT");
    expect(stop("SELL", "61000")).toBe("TAKE_PROFIT_LIMIT");
  });

  it("puts the orders of an OCO above and below", () => {
    const oco = {
      ...form,
      kind: "OCO",
      price: "61000",
      stopPrice: "59000",
      stopLimitPrice: "58900",
    } as const;
    expect(toRequest({ ...oco, side: "SELL" }, around, "id")).toMatchObject({
      path: "/api/v3/orderList/oco",
      parameters: {
        aboveType: "LIMIT_MAKER",
        abovePrice: "61000",
        belowType: "STOP_LOSS_LIMIT",
        belowPrice: "58900",
      },
    });
    expect(toRequest({ ...oco, side: "BUY" }, around, "id").parameters).toMatchObject({
      aboveType: "STOP_LOSS_LIMIT",
      belowType: "LIMIT_MAKER",
    });
  });
});

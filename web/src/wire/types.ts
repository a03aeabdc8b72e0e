/** What the exchange says, field for field (docs/compatibility.md, docs/streams.md). Amounts are decimal strings. */

export type Side = "BUY" | "SELL";
export type OrderType =
  "LIMIT" | "LIMIT_MAKER" | "MARKET" | "STOP_LOSS" | "STOP_LOSS_LIMIT" | "TAKE_PROFIT" | "TAKE_PROFIT_LIMIT";
export type TimeInForce = "GTC" | "IOC" | "FOK";
export type OrderStatus =
  | "NEW"
  | "PENDING_NEW"
  | "PARTIALLY_FILLED"
  | "FILLED"
  | "CANCELED"
  | "REJECTED"
  | "EXPIRED"
  | "EXPIRED_IN_MATCH";

export type MarketFilter =
  | { filterType: "PRICE_FILTER"; minPrice: string; maxPrice: string; tickSize: string }
  | { filterType: "LOT_SIZE" | "MARKET_LOT_SIZE"; minQty: string; maxQty: string; stepSize: string }
  | {
      filterType: "NOTIONAL";
      minNotional: string;
      applyMinToMarket: boolean;
      maxNotional: string;
      applyMaxToMarket: boolean;
    }
  | {
      filterType: "PERCENT_PRICE_BY_SIDE";
      bidMultiplierUp: string;
      bidMultiplierDown: string;
      askMultiplierUp: string;
      askMultiplierDown: string;
    }
  | { filterType: "MAX_NUM_ORDERS"; maxNumOrders: number };

export interface ExchangeSymbol {
  symbol: string;
  status: string;
  baseAsset: string;
  quoteAsset: string;
  filters: (MarketFilter | { filterType: "ICEBERG_PARTS" | "TRAILING_DELTA" | "MAX_POSITION" })[];
}

export interface ExchangeInfo {
  symbols: ExchangeSymbol[];
}

export interface DayTicker {
  symbol: string;
  openPrice: string;
  highPrice: string;
  lowPrice: string;
  lastPrice: string;
  volume: string;
  quoteVolume: string;
}

export interface MiniTicker {
  e: "24hrMiniTicker";
  s: string;
  c: string;
  o: string;
  h: string;
  l: string;
  v: string;
  q: string;
}

export type Level = [price: string, quantity: string];

export interface DepthSnapshot {
  lastUpdateId: number;
  bids: Level[];
  asks: Level[];
}

export interface DepthDiff {
  e: "depthUpdate";
  E: number;
  s: string;
  U: number;
  u: number;
  b: Level[];
  a: Level[];
}

export interface PublicTrade {
  id: number;
  price: string;
  qty: string;
  time: number;
  isBuyerMaker: boolean;
}

export interface TradeEvent {
  e: "trade";
  E: number;
  s: string;
  t: number;
  p: string;
  q: string;
  T: number;
  m: boolean;
}

/** Open time, open, high, low, close, volume, close time, … */
export type KlineRow = [number, string, string, string, string, string, number, ...unknown[]];

export interface KlineEvent {
  e: "kline";
  s: string;
  k: { t: number; T: number; i: string; o: string; h: string; l: string; c: string; v: string; x: boolean };
}

export interface BalanceRow {
  asset: string;
  free: string;
  locked: string;
}

export interface AccountInfo {
  commissionRates: { maker: string; taker: string };
  canTrade: boolean;
  canWithdraw: boolean;
  balances: BalanceRow[];
  uid: number;
}

export interface OrderRow {
  symbol: string;
  orderId: number;
  orderListId: number;
  clientOrderId: string;
  price: string;
  origQty: string;
  executedQty: string;
  cummulativeQuoteQty: string;
  origQuoteOrderQty: string;
  status: OrderStatus;
  timeInForce: TimeInForce;
  type: OrderType;
  side: Side;
  stopPrice: string;
  icebergQty: string;
  time: number;
  updateTime: number;
}

export interface OwnTrade {
  symbol: string;
  id: number;
  orderId: number;
  price: string;
  qty: string;
  quoteQty: string;
  commission: string;
  commissionAsset: string;
  time: number;
  isBuyer: boolean;
  isMaker: boolean;
}

interface Journaled {
  E: number;
  journalSequence: number;
  journalIndex: number;
}

export interface ExecutionReport extends Journaled {
  e: "executionReport";
  s: string;
  c: string;
  C: string;
  S: Side;
  o: OrderType;
  f: TimeInForce;
  q: string;
  p: string;
  P: string;
  F: string;
  g: number;
  x: "NEW" | "TRADE" | "CANCELED" | "REPLACED" | "REJECTED" | "EXPIRED" | "TRADE_PREVENTION";
  X: OrderStatus;
  r: string;
  i: number;
  l: string;
  L: string;
  z: string;
  Z: string;
  Q: string;
  n: string;
  N: string | null;
  T: number;
  O: number;
  m: boolean;
}

export interface AccountPosition extends Journaled {
  e: "outboundAccountPosition";
  B: { a: string; f: string; l: string }[];
}

export interface BalanceUpdate extends Journaled {
  e: "balanceUpdate";
  a: string;
  d: string;
}

export type UserEvent =
  | ExecutionReport
  | AccountPosition
  | BalanceUpdate
  | ({ e: "listStatus" } & Journaled)
  | { e: "eventStreamTerminated" };

export interface PlacedOrder {
  symbol: string;
  orderId: number;
  clientOrderId: string;
  status: OrderStatus;
  executedQty: string;
  cummulativeQuoteQty: string;
}

export interface ServerConfig {
  /** Where the API is; "" is where the page came from. */
  apiOrigin: string;
  /** Whether this exchange gives play money (a local run). */
  demoFunds: boolean;
  /** Whether its messages are to be read at /outbox (a local run). */
  outbox?: boolean;
}

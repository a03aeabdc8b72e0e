import { Popover } from "@base-ui/react/popover";
import { useEffect, useState } from "react";

import type { Market } from "../../calculators/markets";
import { show, showBasisPoints, showShort } from "../../calculators/money";
import { useTicker } from "../../selectors/markets";
import { t } from "../../strings";
import { PairPicker } from "./pair-picker";
import { Down } from "../parts/icons";

export function PairHeader({ market }: { market: Market }) {
  const ticker = useTicker(market.symbol);
  const name = `${market.base}/${market.quote}`;
  const last = ticker === undefined ? "–" : show(ticker.last, market.pricePlaces);
  const direction = ticker === undefined || ticker.change === 0n ? "" : ticker.change > 0n ? "up" : "down";
  useEffect(() => {
    document.title = `${last} ${name} · ${t.shell.name}`;
  }, [last, name]);
  return (
    <div className="panel area-pair pair-head">
      <h1 className="unseen">{`${t.trade.title} ${name}`}</h1>
      <PairButton market={market} name={name} />
      <span className={`pair-last ${direction}`} data-testid="last-price">
        {last}
      </span>
      <dl className="stats">
        <Stat title={t.trade.stats.change} className={direction}>
          {ticker === undefined ? "–" : showBasisPoints(ticker.change)}
        </Stat>
        <Stat title={t.trade.stats.high}>
          {ticker === undefined ? "–" : show(ticker.high, market.pricePlaces)}
        </Stat>
        <Stat title={t.trade.stats.low}>
          {ticker === undefined ? "–" : show(ticker.low, market.pricePlaces)}
        </Stat>
        <Stat title={t.trade.stats.volume(market.base)} isOptional>
          {ticker === undefined ? "–" : showShort(ticker.volume)}
        </Stat>
        <Stat title={t.trade.stats.volume(market.quote)} isOptional>
          {ticker === undefined ? "–" : showShort(ticker.quoteVolume)}
        </Stat>
      </dl>
      {!market.isOpen && <span className="tag warn">{t.trade.picker.halted}</span>}
    </div>
  );
}

interface StatProps {
  title: string;
  children: string;
  className?: string;
  isOptional?: boolean;
}

function Stat({ title, children, className = "", isOptional = false }: StatProps) {
  return (
    <div className={isOptional ? "optional" : ""}>
      <dt>{title}</dt>
      <dd className={className}>{children}</dd>
    </div>
  );
}

function PairButton({ market, name }: { market: Market; name: string }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <Popover.Root open={isOpen} onOpenChange={setIsOpen}>
      <Popover.Trigger className="pair-button" aria-label={`${name}: ${t.trade.picker.open}`}>
        {name}
        <Down size={16} />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner className="popup-anchor" align="start" sideOffset={6}>
          <Popover.Popup className="popup picker" aria-label={t.trade.picker.title}>
            <PairPicker current={market.symbol} onChosen={() => setIsOpen(false)} />
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

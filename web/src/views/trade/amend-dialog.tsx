import { type SyntheticEvent, useState } from "react";

import { checkAmendment, keepsItsPlace } from "../../calculators/amendment";
import type { Market } from "../../calculators/markets";
import { plain } from "../../calculators/money";
import type { Order } from "../../calculators/orders";
import { amend } from "../../state/trading";
import { t } from "../../strings";
import { Modal } from "../parts/dialog";
import { tell } from "../parts/outcome";
import { UnitInput } from "./form-fields";

interface Props {
  order: Order;
  market: Market | undefined;
  onClose: () => void;
}

export function AmendDialog({ order, market, onClose }: Props) {
  const [price, setPrice] = useState(plain(order.price));
  const [quantity, setQuantity] = useState(plain(order.quantity));
  const [isSending, setIsSending] = useState(false);
  const problems = market === undefined ? [] : checkAmendment(order, price, quantity, market);
  const keeps = keepsItsPlace(order, price, quantity);

  const submit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    if (problems.length > 0) return;
    setIsSending(true);
    const outcome = await amend(order, price, quantity, keeps);
    setIsSending(false);
    if (tell(outcome, t.trade.notices.amended)) onClose();
  };

  return (
    <Modal title={t.trade.orders.amendTitle} isOpen onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <UnitInput
          field="price"
          label={t.trade.price}
          unit={market?.quote ?? ""}
          value={price}
          problem={problems.find(({ field }) => field === "price")}
          onText={setPrice}
        />
        <UnitInput
          field="quantity"
          label={t.trade.quantity}
          unit={market?.base ?? ""}
          value={quantity}
          problem={problems.find(({ field }) => field === "quantity")}
          onText={setQuantity}
        />
        <p className="hint">{keeps ? t.trade.orders.amendKeeps : t.trade.orders.amendMoves}</p>
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            {t.shell.close}
          </button>
          <button type="submit" className="button primary" disabled={isSending || problems.length > 0}>
            {t.trade.orders.amendSave}
          </button>
        </div>
      </form>
    </Modal>
  );
}

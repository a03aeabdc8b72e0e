import { Toast } from "@base-ui/react/toast";

import { t } from "../../strings";
import { Cross } from "./icons";

/** One place for what happens by itself or in answer to a click; screen readers hear it. */
export const notices = Toast.createToastManager();

export const say = (title: string, text?: string): void =>
  void notices.add({ title, description: text, type: "success", timeout: 4_000 });

export const warn = (title: string, text?: string): void =>
  void notices.add({ title, description: text, type: "error", timeout: 8_000, priority: "high" });

export function Notices() {
  return (
    <Toast.Provider toastManager={notices} limit={4}>
      <Toast.Portal>
        <Toast.Viewport className="notices" aria-label={t.shell.notices}>
          <NoticeList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function NoticeList() {
  const { toasts } = Toast.useToastManager();
  return toasts.map((toast) => (
    <Toast.Root key={toast.id} toast={toast} className="notice">
      <Toast.Title className="notice-title" />
      <Toast.Description className="notice-text" />
      <Toast.Close className="notice-close" aria-label={t.shell.close}>
        <Cross size={14} />
      </Toast.Close>
    </Toast.Root>
  ));
}

import { dismiss, toasts } from "../state/toasts";

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <button type="button" key={toast.id} class={`toast toast-${toast.tone}`} onClick={() => dismiss(toast.id)}>
          <strong>{toast.title}</strong>
          {toast.detail && <span>{toast.detail}</span>}
        </button>
      ))}
    </div>
  );
}

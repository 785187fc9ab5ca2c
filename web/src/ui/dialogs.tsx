// The dialog in front of the page, whichever it is.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { dialog } from "../state/view";
import { About } from "./about";
import { AmendDialog } from "./amend";
import { CanaryDialog } from "./canary";
import { KeysDialog } from "./keys_dialog";
import { ProofDialog } from "./proof_dialog";
import { ShortcutList } from "./shortcuts";

export function Dialogs() {
  const open = dialog.value;
  switch (open?.kind) {
    case undefined:
      return null;
    case "keys":
      return <Framed title="Account and keys" content={<KeysDialog />} />;
    case "shortcuts":
      return <Framed title="Shortcuts" content={<ShortcutList />} />;
    case "canary":
      return <Framed title="The canary" content={<CanaryDialog />} />;
    case "about":
      return <Framed title="Glassbook" content={<About />} />;
    case "amend":
      return <Framed title="Amend the order" content={<AmendDialog order={open.order} />} />;
    case "proof":
      return <Framed title="Proof of a fill" content={<ProofDialog fill={open.fill} />} />;
  }
}

export function closeDialog(): void {
  dialog.value = undefined;
}

function Framed({ title, content }: { title: string; content: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => element.current?.showModal(), []);
  return (
    <dialog
      ref={element}
      class="dialog"
      aria-label={title}
      onClose={closeDialog}
      onClick={(event) => {
        if (event.target === element.current) closeDialog();
      }}
    >
      <div class="dialog-head">
        <h2>{title}</h2>
        <span class="spacer" />
        <button type="button" class="button small" aria-label="Close" onClick={closeDialog}>
          ✕
        </button>
      </div>
      <div class="dialog-body scroll">{content}</div>
    </dialog>
  );
}

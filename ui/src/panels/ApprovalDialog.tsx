// More than one scene would be sent to a provider: nothing is, before the writer has seen how much and agreed.

import type { CostEstimate } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { useStory } from "../story/store";

const NUMBER = new Intl.NumberFormat();

export function Estimate({ of }: { of: CostEstimate }) {
  return (
    <dl className="estimate numbers">
      <dt>Requests</dt>
      <dd>{NUMBER.format(of.requests)}</dd>
      <dt>Tokens sent, about</dt>
      <dd>{NUMBER.format(of.prompt_tokens)}</dd>
      <dt>Tokens written, about</dt>
      <dd>{NUMBER.format(of.completion_tokens)}</dd>
      <dt>Cost, about</dt>
      <dd>{of.cost === null ? "not known: no prices are given" : of.cost.toFixed(4)}</dd>
    </dl>
  );
}

export function ApprovalDialog() {
  const approval = useStory((state) => state.approval);
  const set = useStory((state) => state.set);
  const propose = useStory((state) => state.propose);
  const provider = useStory((state) => state.provider);
  if (approval === null) return null;
  const { estimate, intent, scope } = approval;
  const agree = () => {
    set({ approval: null });
    propose(intent, scope, true);
  };
  return (
    <Dialog title="Send more than one scene?" onClose={() => set({ approval: null })}>
      <div>
        <p>
          {provider} would be sent these passages of your story, and the names of who is in them. Nothing was
          sent yet.
        </p>
        <Estimate of={estimate} />
        <footer>
          <button type="button" onClick={() => set({ approval: null })}>
            Do not send
          </button>
          <button type="button" className="primary" onClick={agree}>
            Send
          </button>
        </footer>
      </div>
    </Dialog>
  );
}

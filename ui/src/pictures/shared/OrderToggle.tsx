// Whether events stand in the order of the story's time or of its telling, for every picture.

import { useStory } from "../../story/store";

export function OrderToggle() {
  const order = useStory((state) => state.order);
  const set = useStory((state) => state.set);
  const story = order === "story";
  return (
    <button
      type="button"
      data-testid="order-toggle"
      title={
        story
          ? "Events stand in the order in which they happen. Press for the order in which they are told."
          : "Events stand in the order in which they are told. Press for the order in which they happen."
      }
      onClick={() => set({ order: story ? "narrated" : "story" })}
    >
      {story ? "Story order" : "Narrated order"}
    </button>
  );
}

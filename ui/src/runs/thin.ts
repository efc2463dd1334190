// Fewer points that look the same: in every bucket of neighbours the first, the last, the smallest and the largest stay.

/**
 * The indices, in order, of the points to keep: all where there are at most `points`, otherwise up to about twice `points`
 * of them. The first, last, smallest and largest value of each bucket stay, and a not-a-number where the bucket has
 * one, for it is a gap in the line.
 */
export function thin(values: ArrayLike<number>, points: number): number[] {
  const length = values.length;
  if (length <= points || points < 2) return Array.from({ length }, (_, index) => index);
  const buckets = Math.max(1, Math.floor(points / 2));
  const kept: number[] = [];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * length) / buckets);
    const to = Math.floor(((bucket + 1) * length) / buckets);
    let smallest = -1;
    let largest = -1;
    let gap = -1;
    for (let index = from; index < to; index++) {
      const value = values[index] as number;
      if (Number.isNaN(value)) {
        if (gap < 0) gap = index;
        continue;
      }
      if (smallest < 0 || value < (values[smallest] as number)) smallest = index;
      if (largest < 0 || value > (values[largest] as number)) largest = index;
    }
    const wanted = [from, smallest, largest, gap, to - 1].filter((index) => index >= 0).sort((a, b) => a - b);
    for (const index of wanted) if (kept.at(-1) !== index) kept.push(index);
  }
  return kept;
}

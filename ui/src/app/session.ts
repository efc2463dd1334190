// The one-time code in the address becomes a cookie; then it is gone from the address.

import { ApiError, get, post } from "../api/client";

/** Whether the server lets this browser in. Raises ApiError where it does not answer. */
export async function enter(): Promise<boolean> {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code !== null) {
    history.replaceState(null, "", location.pathname + location.search);
    try {
      await post("/api/session", { code });
      return true;
    } catch (fault) {
      // A code that was used already is no obstacle where the cookie is still here.
      if (!(fault instanceof ApiError) || fault.status !== 401) throw fault;
    }
  }
  try {
    await get("/api/providers");
    return true;
  } catch (fault) {
    if (fault instanceof ApiError && fault.status === 401) return false;
    throw fault;
  }
}

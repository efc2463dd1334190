// Calls of the server. A failure is an ApiError with the server's own sentence; nothing answering is one too.

import type { ErrorBody } from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody,
  ) {
    super(body.message);
  }

  get code(): string {
    return this.body.code;
  }
}

const UNREACHABLE: ErrorBody = {
  code: "unreachable",
  message: "Gnomon does not answer; start it again where you started it, and this page goes on where it was.",
};

async function failure(response: Response): Promise<ApiError> {
  try {
    const answer = (await response.json()) as { error: ErrorBody };
    return new ApiError(response.status, answer.error);
  } catch {
    return new ApiError(response.status, {
      code: "internal",
      message: `Gnomon answered ${response.status}.`,
    });
  }
}

/** One request; `body` goes as JSON unless it is a form. */
export async function request(
  method: string,
  path: string,
  body?: unknown,
  init: RequestInit = {},
): Promise<Response> {
  const form = body instanceof FormData;
  let response: Response;
  try {
    response = await fetch(path, {
      ...init,
      method,
      credentials: "same-origin",
      headers: {
        ...(body === undefined || form ? {} : { "Content-Type": "application/json" }),
        ...init.headers,
      },
      body: body === undefined ? undefined : form ? body : JSON.stringify(body),
    });
  } catch (fault) {
    if (fault instanceof DOMException && fault.name === "AbortError") throw fault;
    throw new ApiError(0, UNREACHABLE);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export async function call<T>(method: string, path: string, body?: unknown, init?: RequestInit): Promise<T> {
  const response = await request(method, path, body, init);
  return (await response.json()) as T;
}

export const get = <T>(path: string, init?: RequestInit) => call<T>("GET", path, undefined, init);
export const post = <T>(path: string, body: unknown = {}, init?: RequestInit) =>
  call<T>("POST", path, body, init);
export const put = <T>(path: string, body: unknown) => call<T>("PUT", path, body);
export const del = <T>(path: string) => call<T>("DELETE", path);

/** The path of a story's resource. */
export const ofStory = (id: string, rest = "") => `/api/stories/${encodeURIComponent(id)}${rest}`;

/** The path of a run's resource. */
export const ofRun = (id: string, rest = "") => `/api/runs/${encodeURIComponent(id)}${rest}`;

export interface ServerEvent {
  event: string;
  data: unknown;
}

/** The events of a POST that answers as a stream, in order. */
export async function* streamed(
  path: string,
  body: unknown,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const response = await request("POST", path, body, { signal, headers: { Accept: "text/event-stream" } });
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += value.replaceAll("\r\n", "\n");
    for (let end = waiting.indexOf("\n\n"); end >= 0; end = waiting.indexOf("\n\n")) {
      const block = waiting.slice(0, end).split("\n");
      waiting = waiting.slice(end + 2);
      const data = block.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
      const name = block.find((line) => line.startsWith("event:"));
      if (data.length > 0)
        yield { event: name?.slice(6).trim() ?? "message", data: JSON.parse(data.join("\n")) };
    }
  }
}

/**
 * Listen to a stream of server-sent events until the returned function is called. The browser connects again by itself;
 * `onLost` and `onFound` tell of the connection.
 */
export function listen(
  path: string,
  handlers: Record<string, (data: unknown) => void>,
  connection: { onLost?: () => void; onFound?: () => void } = {},
): () => void {
  let source: EventSource;
  let again: number | undefined;
  const connect = () => {
    source = new EventSource(path);
    source.onopen = () => connection.onFound?.();
    source.onerror = () => {
      connection.onLost?.();
      if (source.readyState === EventSource.CLOSED) again = window.setTimeout(connect, 2000);
    };
    for (const [name, handle] of Object.entries(handlers))
      source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data)));
  };
  connect();
  return () => {
    window.clearTimeout(again);
    source.close();
  };
}

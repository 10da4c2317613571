// Loaded before the official suite: its limits between 0.5 s and 3 s become 3 s, as a busy machine exceeds them.

const plain = globalThis.setTimeout;
globalThis.setTimeout = (run, limit, ...rest) => plain(run, limit >= 500 && limit < 3000 ? 3000 : limit, ...rest);

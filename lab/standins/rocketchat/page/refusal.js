/** What went wrong with a request, and how to say it to the reader. */

import { bytes, t } from "./i18n.js";

/** A request that was refused (`status` is HTTP's) or that reached nobody (`status` is 0). */
export class Refusal extends Error {
    constructor(status, { code = "", text = "", retryAfter = 0, methods = [] } = {}) {
        super(`${status} ${code} ${text}`);
        Object.assign(this, { status, code, text, retryAfter, methods });
    }

    /** Whether the same request may succeed later, and whether it may have had its effect. */
    get passing() {
        return this.status === 0 || this.status === 429 || this.status >= 500;
    }

    /** Whether the reason says that the request had no effect. */
    get known() {
        return [0, 401, 413, 429].includes(this.status) || Boolean(this.#kind());
    }

    /** The reason in the reader's language, in the middle of a sentence. */
    toString() {
        if (this.status === 0) return t("error.network");
        if (this.status === 429) return t("error.slow", { seconds: this.retryAfter });
        if (this.status >= 500) return t("error.server", { status: this.status });
        if (this.status === 401) return t("error.expired");
        if (this.status === 413) return t("error.largefile");
        const kind = this.#kind();
        return kind ? t(kind) : t("error.unknown", { text: this.text || this.code });
    }

    #kind() {
        return KINDS.find(([pattern]) => pattern.test(`${this.code} ${this.text}`))?.[1];
    }
}

// The server says it in codes, in keys of its texts, or in plain English, depending on the place.
const KINDS = [
    [/restricted-workspace/, "error.restricted"],
    [/totp-required|totp-invalid/, "error.second"],
    [/message-size-exceeded/, "error.long"],
    [/file-too-large|FileUpload_MaxFileSize|File_exceeds/, "error.largefile"],
    [/invalid-file-type|File_type_is_not_accepted/, "error.kind"],
    [/invalid-file|error-file/, "error.upload"],
    [/You_have_been_muted/i, "error.muted"],
    [/read-?only/i, "error.readonly"],
    [/archived/i, "error.archived"],
    [/message-editing-blocked|edit-message/, "error.noediting"],
    [/message-deleting-blocked|delete-message/, "error.nodeleting"],
    [/room-not-found|invalid-room/, "error.noroom"],
    [/message-not-found|invalid-message/, "error.gone"],
    [/not-active|deactivated/, "error.deactivated"],
    [/not-allowed|forbidden|unauthorized|permissions required/i, "error.notallowed"],
];

/** Read a refusal from a response; its body may be anything. */
export async function fromResponse(response) {
    const text = await response.text().catch(() => "");
    return fromParts(response.status, text, response.headers.get("X-RateLimit-Reset"));
}

/** Read a refusal from what XMLHttpRequest has of a response. */
export function fromParts(status, text, reset) {
    let body = {};
    try {
        body = JSON.parse(text) ?? {};
    } catch {
        // a proxy in between may answer with a page
    }
    const words = String(body.error ?? body.message ?? "");
    return new Refusal(status, {
        code: body.errorType ?? codeIn(words),
        text: words.replace(/\s*\[[\w-]+\]$/, "") || words,
        retryAfter: status === 429 ? secondsToWait(reset, words) : 0,
        methods: body.details?.availableMethods ?? [],
    });
}

// A code stands in brackets at the end of the text, or is all of it.
function codeIn(words) {
    const [, bracketed, alone] = /\[([\w-]+)\]$|^([a-z]+(?:-[a-z]+)+)$/.exec(words) ?? [];
    return bracketed ?? alone ?? "";
}

// The header is in milliseconds of the server's clock, the text in seconds; neither need be there.
function secondsToWait(reset, words) {
    const named = Number(/wait (\d+) seconds/.exec(words)?.[1] ?? 0);
    const until = reset ? Math.ceil((Number(reset) - Date.now()) / 1000) : 0;
    return Math.min(Math.max(named || until, 1), 60);
}

/** Make the refusal of a file that is larger than the server takes. */
export function tooLarge(limit) {
    return { toString: () => t("error.large", { limit: bytes(limit) }) };
}

/** Files of the server: fetched with the token, shown as blobs, sent with a view of the progress. */

import * as refusals from "./refusal.js";

const KEPT_MAX = 100;

export class Files {
    #shown = new Map(); // path -> promise of an address for <img>

    constructor(api) {
        this.api = api;
    }

    /** Return a promise of an address under which the page can show the image. */
    image(path) {
        if (!this.#shown.has(path)) {
            const address = this.api.file(path).then((blob) => URL.createObjectURL(blob));
            address.catch(() => this.#shown.delete(path));
            this.#shown.set(path, address);
            this.#trim();
        }
        return this.#shown.get(path);
    }

    /** Save a file to the reader's disk. */
    async save(path, name) {
        const address = URL.createObjectURL(await this.api.file(path));
        const link = document.createElement("a");
        link.href = address;
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(address), 60_000);
    }

    /** Send a file to a room; `progress` is told 0 to 100. Returns once the message is there. */
    async upload(rid, file, { text, thread, progress }) {
        const fileId = await this.#transfer(`/api/v1/rooms.media/${rid}`, file, progress);
        return this.api.confirmFile(rid, fileId, { text, thread });
    }

    // fetch() does not tell how far an upload is; XMLHttpRequest does.
    #transfer(address, file, progress) {
        return new Promise((done, fail) => {
            const request = new XMLHttpRequest();
            const body = new FormData();
            body.append("file", file, file.name);
            request.open("POST", address);
            for (const [name, value] of Object.entries(this.api.headers()))
                request.setRequestHeader(name, value);
            request.upload.onprogress = ({ loaded, total }) =>
                progress(Math.floor((100 * loaded) / (total || 1)));
            request.onerror = () => fail(new refusals.Refusal(0));
            request.onload = () => {
                const { status, responseText } = request;
                const reset = request.getResponseHeader("X-RateLimit-Reset");
                if (status !== 200) fail(refusals.fromParts(status, responseText, reset));
                else done(JSON.parse(responseText).file._id);
            };
            request.send(body);
        });
    }

    #trim() {
        for (const [path, address] of [...this.#shown].slice(0, -KEPT_MAX)) {
            this.#shown.delete(path);
            address.then(URL.revokeObjectURL, () => null);
        }
    }
}

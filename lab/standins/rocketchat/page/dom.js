/** Elements are made here and nowhere else: text stays text, nothing is ever parsed as markup. */

/**
 * Make an element: `make("a.link", {href}, "text", child)`.
 * Attributes that are null or false are left out; functions become listeners of that name.
 */
export function make(what, attributes = {}, ...children) {
    const [tag, ...classes] = what.split(".");
    const element = document.createElement(tag);
    if (classes.length) element.className = classes.join(" ");
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") element.addEventListener(name, value);
        else if (value !== null && value !== undefined && value !== false)
            element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
}

/** Return the one element with this id; a page without it is broken, so say so at once. */
export function byId(id) {
    const element = document.getElementById(id);
    if (!element) throw new Error(`the page has no #${id}`);
    return element;
}

/**
 * Rebuild what is inside `part` only if `source` (anything JSON can write) differs from last time.
 * Focus, selection and images in unchanged parts survive a growing message this way.
 */
export function refill(part, source, build) {
    const seen = JSON.stringify(source);
    if (part.filledFrom === seen) return;
    part.filledFrom = seen;
    part.replaceChildren(...build());
}

// Drawn for this page on a grid of 20 by 20, as strokes.
const ICONS = {
    attach: "M14 9l-5 5a3 3 0 0 1-4-4l6-6a2 2 0 0 1 3 3l-6 6",
    close: "M5 5l10 10M15 5L5 15",
    copy: "M7 7h9v9H7zM13 7V4H4v9h3",
    delete: "M4 6h12M8 6V4h4v2M6 6l1 10h6l1-10",
    down: "M5 8l5 5 5-5",
    edit: "M4 16v-3l9-9 3 3-9 9z",
    file: "M5 3h7l3 3v11H5zM12 3v3h3",
    leave: "M12 4h4v12h-4M3 10h9M9 7l3 3-3 3",
    menu: "M3 6h14M3 10h14M3 14h14",
    private: "M5 9h10v8H5zM7 9V6a3 3 0 0 1 6 0v3",
    react: "M10 3a7 7 0 1 0 .1 0M7 8v1M13 8v1M7 12a4 4 0 0 0 6 0",
    search: "M9 4a5 5 0 1 0 .1 0M13 13l4 4",
    send: "M3 4l14 6-14 6 2-6zM5 10h5",
    thread: "M4 4h12v9H9l-4 3v-3H4zM7 7h6M7 10h4",
};

/** Return a decorative icon; the button around it carries the name. */
export function icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 20 20");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("drawing");
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
}

/** Make a button that shows an icon and is called `label`. */
export function iconButton(name, label, click) {
    return make(
        "button.icon",
        { type: "button", "aria-label": label, title: label, click },
        icon(name),
    );
}

/** Texts in the reader's language: the browser's, or the one chosen here, which is remembered. */

import { icon } from "./dom.js";
import { texts as en } from "./texts_en.js";
import { texts as pl } from "./texts_pl.js";

const TEXTS = { en, pl };
const NAMES = { en: "English", pl: "Polski" };
const KEY = "standin.language";

let current = remembered() ?? preferred();
const readers = new Set();

function remembered() {
    const kept = localStorage.getItem(KEY);
    return kept in TEXTS ? kept : null;
}

function preferred() {
    const tags = navigator.languages ?? [navigator.language];
    return tags.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in TEXTS) ?? "en";
}

/** Return the language in use: "en" or "pl". */
export function language() {
    return current;
}

/**
 * Return the text called `key` with its `{placeholders}` filled.
 * A text with plural forms is chosen by the value `count`.
 */
export function t(key, values = {}) {
    let text = TEXTS[current][key];
    if (text === undefined) throw new Error(`no text ${key}`);
    if (typeof text === "object") text = text[new Intl.PluralRules(current).select(values.count)];
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Tell whether there is a text called `key`. */
export function known(key) {
    return key in TEXTS[current];
}

/** Call `reader` at each change of the language. */
export function onLanguage(reader) {
    readers.add(reader);
}

function choose(chosen) {
    current = chosen;
    localStorage.setItem(KEY, chosen);
    localize();
    readers.forEach((reader) => reader());
}

/** Fill what index.html marks with data-text, data-label, data-placeholder and data-icon. */
export function localize(root = document) {
    document.documentElement.lang = current;
    for (const element of root.querySelectorAll("[data-text]"))
        element.textContent = t(element.dataset.text);
    for (const element of root.querySelectorAll("[data-placeholder]"))
        element.placeholder = t(element.dataset.placeholder);
    for (const element of root.querySelectorAll("[data-label]")) {
        element.setAttribute("aria-label", t(element.dataset.label));
        if (element.localName === "button") element.title = t(element.dataset.label);
    }
    for (const element of root.querySelectorAll("[data-icon]:empty"))
        element.append(icon(element.dataset.icon));
    for (const select of root.querySelectorAll("[data-language]")) fillSelect(select);
}

function fillSelect(select) {
    if (!select.options.length) {
        for (const [tag, name] of Object.entries(NAMES)) select.add(new Option(name, tag));
        select.addEventListener("change", () => choose(select.value));
    }
    select.value = current;
}

/** Format milliseconds as the time of day. */
export function clock(time) {
    return format(time, { hour: "2-digit", minute: "2-digit" });
}

/** Format milliseconds as a full date and time. */
export function moment(time) {
    return format(time, { dateStyle: "full", timeStyle: "medium" });
}

/** Name the day of `time` as people do: today, yesterday, or its date. */
export function day(time, now = Date.now()) {
    const distance = Math.round((midnight(now) - midnight(time)) / 86_400_000);
    if (distance === 0 || distance === 1) {
        const name = new Intl.RelativeTimeFormat(current, { numeric: "auto" });
        return name.format(-distance, "day");
    }
    const year = new Date(time).getFullYear() === new Date(now).getFullYear() ? undefined : "numeric";
    return format(time, { weekday: "long", day: "numeric", month: "long", year });
}

/** Return the first millisecond of the day, by the reader's clock. */
export function midnight(time) {
    return new Date(time).setHours(0, 0, 0, 0);
}

// The browser may know more than the language: how its reader's country writes dates.
function format(time, options) {
    const tag = (navigator.languages ?? []).find((one) => one.toLowerCase().startsWith(current));
    return new Intl.DateTimeFormat(tag ?? current, options).format(time);
}

/** Format a number of bytes. */
export function bytes(count) {
    const [unit, size] =
        count < 1000 ? ["byte", 1] : count < 1e6 ? ["kilobyte", 1e3] : ["megabyte", 1e6];
    const options = { style: "unit", unit, maximumFractionDigits: 1, unitDisplay: "short" };
    return new Intl.NumberFormat(current, options).format(count / size);
}

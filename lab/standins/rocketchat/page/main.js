/** Starts the page: goes on with a login of this tab, or asks for one. */

import { Api } from "./api.js";
import { App } from "./app.js";
import { byId } from "./dom.js";
import { localize, onLanguage, t } from "./i18n.js";
import { notify } from "./notices.js";

const KEY = "standin.login";
const ENDED = "standin.ended";
const RETRY_MS = 3000;

let app = null;
let problem = null; // a function that says it in the language of the moment

const api = new Api({ ended, slowed: (seconds) => app?.slowed(seconds) });

// Loading the page anew leaves nothing of the old login behind.
function ended() {
    sessionStorage.removeItem(KEY);
    sessionStorage.setItem(ENDED, "yes");
    location.reload();
}

async function logOut() {
    await api.logOut().catch(() => null); // a server that is away knows nothing of us anyway
    sessionStorage.removeItem(KEY);
    location.assign("/");
}

async function enter(account) {
    sessionStorage.setItem(KEY, JSON.stringify(api.login));
    byId("login").hidden = true;
    byId("app").hidden = false;
    app = new App(api, account, { ended });
    await patiently(() => app.start());
}

// A server that is away is waited for: only its refusal ends something.
async function patiently(action) {
    for (;;) {
        try {
            return await action();
        } catch (refusal) {
            if (!refusal.passing) throw refusal;
            byId("connection").hidden = false;
            byId("connection").textContent = t("connection.lost");
            await new Promise((done) => setTimeout(done, RETRY_MS));
        }
    }
}

function showProblem(say) {
    problem = say;
    byId("login-error").hidden = !say;
    byId("login-error").textContent = say?.() ?? "";
}

async function submit(event) {
    event.preventDefault();
    const form = byId("login-form");
    const button = form.querySelector("[type=submit]");
    const { user, password, code } = form.elements;
    button.disabled = true;
    button.textContent = t("login.going");
    showProblem(null);
    try {
        const account = await api.logIn(user.value.trim(), password.value, code.value.trim());
        password.value = "";
        await enter(account);
    } catch (refusal) {
        explain(refusal);
    } finally {
        button.disabled = false;
        button.textContent = t("login.go");
    }
}

function explain(refusal) {
    if (/totp-/.test(refusal.code)) {
        byId("login-second").hidden = false;
        byId("login-code").focus();
        showProblem(() => capital(t("error.second")));
    } else if (refusal.status === 401) showProblem(() => t("login.refused"));
    else showProblem(() => capital(String(refusal)));
}

function capital(text) {
    return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

function askForLogin() {
    byId("login").hidden = false;
    byId("login-user").focus();
    if (sessionStorage.getItem(ENDED)) showProblem(() => t("login.expired"));
    sessionStorage.removeItem(ENDED);
}

async function resume(login) {
    byId("app").hidden = false;
    const account = await patiently(() => api.resume(login));
    await enter(account);
}

localize();
onLanguage(() => showProblem(problem));
byId("login-form").addEventListener("submit", submit);
byId("logout").addEventListener("click", logOut);
const kept = sessionStorage.getItem(KEY);
if (kept) resume(JSON.parse(kept)).catch((refusal) => refusal.status === 401 || notify(refusal));
else askForLogin();

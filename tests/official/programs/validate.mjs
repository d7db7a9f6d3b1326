/**
 * Lets the validators of @rocket.chat/rest-typings, the ones the server itself uses, judge requests.
 * In: a JSON list of {"validator", "params"}. Out: a JSON list, null or what is wrong with each.
 */

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

// The package is made for bundlers: it leaves out /index.js and .js.
registerHooks({
    resolve(specifier, context, next) {
        for (const ending of ["", ".js", "/index.js"]) {
            try {
                return next(specifier + ending, context);
            } catch (error) {
                if (ending === "/index.js") throw error;
            }
        }
    },
});

const entry = `${process.cwd()}/node_modules/@rocket.chat/rest-typings/dist/index.js`;
const validators = await import(pathToFileURL(entry));

function judge({ validator, params }) {
    const validate = validators[validator];
    if (!validate) return `there is no validator ${validator}`;
    return validate(params) ? null : JSON.stringify(validate.errors);
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(judge)));

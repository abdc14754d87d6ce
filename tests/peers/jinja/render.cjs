// Renders chat templates with @huggingface/jinja: `node render.cjs FOLDER`, the folder has node_modules.
// Asked on stdin: {models, templates, calls}; answered on stdout: a row for each template and call, in order.

const fs = require("node:fs");
const path = require("node:path");

const folder = path.join(process.argv[2], "node_modules", "@huggingface");
const { Template } = require(path.join(folder, "jinja"));

// The package has its table of published templates in its source only; apart from two lines it is a literal.
function published(models) {
	const source = fs.readFileSync(path.join(folder, "ollama-utils", "src", "chat-template-automap.ts"), "utf-8");
	const literal = source.slice(source.indexOf("[] = [") + "[] = ".length).trim().replace(/;$/, "");
	const rows = eval(literal).filter((row) => models.includes(row.model));
	return rows.map((row) => ({ name: row.model, template: row.gguf }));
}

function rendered(template, call) {
	try {
		return { text: new Template(template).render(call) };
	} catch (error) {
		return { error: String(error.message) };
	}
}

const { models, templates, calls } = JSON.parse(fs.readFileSync(0, "utf-8"));
const rows = [...templates, ...published(models)];
const answers = rows.map((row) => ({ ...row, answers: calls.map((call) => rendered(row.template, call)) }));
process.stdout.write(JSON.stringify(answers));

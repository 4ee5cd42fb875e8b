/* Options of the dump; every one has a default that suits. */
#include <stdlib.h>

#include <curses.h>

#include "base/argv.h"
#include "base/str.h"
#include "settings.h"
#include "wizard_in.h"

static const char *const formats[] = {"directory", "custom", NULL};
static const char *const transfers[] = {"stream", "file", NULL};
static const char *const copies[] = {"snapshot", "native", "dump", NULL};
static const char *const verifies[] = {"checksum", "count", "off", NULL};

/* Enums are edited through ints of their own. */
static int format, verify, transfer, copy;

static size_t subscription_fields(struct wizard *w, struct field *f, size_t n)
{
	struct subscription_options *o = &w->m->sub;

	f[n++] = (struct field){.label = "First copy", .kind = F_CHOICE, .choices = copies, .number = &copy,
		.help = "snapshot: copied by pgusher and proven; dump: the same through a file that is kept; native: the server copies by itself, nothing is proven."};
	f[n++] = (struct field){.label = "Host for target", .kind = F_TEXT, .text = &o->source_host,
		.help = "The source's address as the target reaches it, when that is not the one you gave; the target itself connects to it."};
	f[n++] = (struct field){.label = "Port for target", .kind = F_TEXT, .text = &o->source_port, .help = "The source's port as the target reaches it."};
	f[n++] = (struct field){.label = "Role", .kind = F_TEXT, .text = &o->role,
		.help = "Empty: one is made on the source for the subscription, with a password that nobody sees. Else yours, with LOGIN and REPLICATION."};
	f[n++] = (struct field){.label = "Adopt", .kind = F_TEXT, .text = &o->adopt,
		.help = "A subscription that somebody made by hand on the target: its name. It is looked at, watched and cut over; nothing is copied. Empty: ours is made."};
	f[n++] = (struct field){.label = "Outage at most", .kind = F_NUMBER, .number = &w->m->cut.max_outage_s, .lo = 1, .hi = 86400,
		.help = "Seconds that writers may be held back at the cutover; when it takes longer, it is taken back by itself."};
	f[n++] = (struct field){.label = "Way back", .kind = F_BOOL, .flag = &w->m->cut.reverse,
		.help = "After the cutover the old source follows the new primary, so that a rollback loses nothing. Needs wal_level = logical on the target."};
	f[n++] = (struct field){.label = "Wait for apps", .kind = F_BOOL, .flag = &w->m->cut.hold,
		.help = "The cutover stops at the hand-over, shows the new address, and asks whether the application points to it."};
	return n;
}

/* A new migration is called after its database, where that is a name for a file. */
static void propose_name(struct wizard *w)
{
	const char *db = w->m->end[SIDE_SOURCE].dbname;

	if (w->loaded || str_empty(db) || !str_eq(w->m->name, MIGRATION_NAME))
		return;
	char *wrong = settings_wrong("migration", "name", db);
	if (!wrong)
		xreplace(&w->m->name, db);
	free(wrong);
}

static void enter(struct wizard *w)
{
	struct dump_options *o = &w->m->dump;
	struct field f[24];
	size_t n = 0;

	propose_name(w);
	format = (int)o->format;
	verify = (int)o->verify;
	free(w->opt_schemas);
	free(w->opt_exclude);
	w->opt_schemas = o->schemas.n ? strv_join(&o->schemas, ", ") : NULL;
	w->opt_exclude = o->exclude_schemas.n ? strv_join(&o->exclude_schemas, ", ") : NULL;
	f[n++] = (struct field){.label = "Name", .kind = F_TEXT, .text = &w->m->name,
		.help = "Names this migration: its journal, its report and the settings file. Letters, digits, - and _."};
	f[n++] = (struct field){.label = "Parallel jobs", .kind = F_NUMBER, .number = &o->jobs, .lo = 1, .hi = 64,
		.help = "For the proof and the statistics, and for a dump file also the dump and the restore. As many as the smaller server has cores."};
	f[n++] = (struct field){.label = "Proof", .kind = F_CHOICE, .choices = verifies, .number = &verify,
		.help = "checksum reads every row on both sides and compares; count only counts rows; off proves nothing."};
	free(w->opt_prefix);
	w->opt_prefix = w->m->tools_prefix.n ? argv_show(&w->m->tools_prefix) : NULL;
	f[n++] = (struct field){.label = "Tools through", .kind = F_TEXT, .text = &w->opt_prefix,
		.help = "Empty: pg_dump and its friends run here. Else what leads to them, such as docker exec -i patroni; a dump file then lies there."};
	f[n++] = (struct field){.label = "Only schemas", .kind = F_TEXT, .text = &w->opt_schemas,
		.help = "Exact names, separated by commas; empty: all."};
	f[n++] = (struct field){.label = "Without schemas", .kind = F_TEXT, .text = &w->opt_exclude, .help = "Exact names, separated by commas."};
	copy = (int)w->m->sub.copy;
	if (w->m->method == METHOD_SUBSCRIPTION)
		n = subscription_fields(w, f, n);
	transfer = (int)o->transfer;
	if (w->m->method == METHOD_TUNNEL)
		f[n++] = (struct field){.label = "Transfer", .kind = F_CHOICE, .choices = transfers, .number = &transfer,
			.help = "stream: straight into the target; file: through a dump file here, to which what stands below belongs."};
	if (o->transfer == TRANSFER_FILE || w->m->method == METHOD_TUNNEL) {
		f[n++] = (struct field){.label = "Format", .kind = F_CHOICE, .choices = formats, .number = &format,
			.help = "directory: a folder, written and read in parallel; custom: one file, written by one process."};
		f[n++] = (struct field){.label = "Compression", .kind = F_TEXT, .text = &o->compress,
			.help = "none, gzip:1..9, lz4 or zstd:1..22 (the last two with pg_dump 16 or newer); empty: pg_dump's default."};
		f[n++] = (struct field){.label = "Folder", .kind = F_TEXT, .text = &o->dir, .help = "Where the dump is written; empty: beside the journal."};
		f[n++] = (struct field){.label = "Keep the dump", .kind = F_BOOL, .flag = &o->keep, .help = "Otherwise it is removed after a good end."};
		f[n++] = (struct field){.label = "Dump only", .kind = F_BOOL, .flag = &o->dump_only, .help = "Make the file and stop; restore it another time."};
		f[n++] = (struct field){.label = "Use this dump", .kind = F_TEXT, .text = &o->use_file, .help = "Restore an existing dump; none is made. Empty: make one."};
	}
	w->form = form_new(f, n, 4, 3, term_cols() - 8);
}

static void store(struct wizard *w, const char **wrong)
{
	struct dump_options *o = &w->m->dump;

	(void)form_store(w->form, wrong);
	o->format = (enum dump_format)format;
	o->verify = (enum verify_mode)verify;
	o->transfer = (enum transfer)transfer;
	w->m->sub.copy = (enum sub_copy)copy;
	strv_fini(&w->m->tools_prefix);
	w->m->tools_prefix = (struct strv){0};
	struct err err;
	if (w->opt_prefix && argv_split(&w->m->tools_prefix, w->opt_prefix, &err) != ERR_OK && !*wrong)
		*wrong = "Tools through: a quote is open";
	strv_fini(&o->schemas);
	strv_fini(&o->exclude_schemas);
	o->schemas = o->exclude_schemas = (struct strv){0};
	strv_split(&o->schemas, w->opt_schemas ? w->opt_schemas : "", ",");
	strv_split(&o->exclude_schemas, w->opt_exclude ? w->opt_exclude : "", ",");
	if (!w->m->name)
		w->m->name = xstrdup(MIGRATION_NAME);
}

static void leave(struct wizard *w)
{
	const char *wrong;

	store(w, &wrong);
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	const struct subscription_options *o = &w->m->sub;

	(void)h;
	(void)put(y, x, width, R_TITLE, "Options: each has a default that suits most");
	if (w->m->method == METHOD_SUBSCRIPTION && o->tables.n + o->schemas.n > 0)
		(void)putf(y + 1, x, width, R_TEXT, "Follows only what was chosen: %zu by name, %zu by schema; F3 shows it", o->tables.n, o->schemas.n);
	form_draw(w->form);
}

static void next(struct wizard *w)
{
	const char *wrong;

	store(w, &wrong);
	if (wrong) {
		wizard_say(w, R_WARN, "%s", wrong);
		return;
	}
	char *name = settings_wrong("migration", "name", w->m->name);
	char *compress = w->m->dump.compress ? settings_wrong("dump", "compress", w->m->dump.compress) : NULL;
	if (name || compress) {
		wizard_say(w, R_WARN, "%s is: %s", name ? "Name" : "Compression", name ? name : compress);
		free(name);
		free(compress);
		return;
	}
	wizard_look(w); /* another name has another journal */
	wizard_go(w, AT_PREFLIGHT);
	wizard_save(w);
}

/* Only a subscription follows a part; what is typed so far is kept by leaving. */
static void choose(struct wizard *w)
{
	if (w->m->method == METHOD_SUBSCRIPTION)
		wizard_go(w, AT_CHOOSE);
}

static bool key(struct wizard *w, int k, bool special)
{
	if (special && k == KEY_F(3)) {
		choose(w);
		return true;
	}
	enum form_said said = form_key(w->form, k, special);

	if (said == FORM_BACK)
		wizard_back(w);
	return said != FORM_IGNORED;
}

static void cursor(struct wizard *w)
{
	form_cursor(w->form);
}

static bool valid(const struct wizard *w, int code)
{
	return code != 'F' || w->m->method == METHOD_SUBSCRIPTION;
}

static const struct key keys[] = {
	{'\r', false, "Enter", "next", next}, {'F', false, "F3", "choose tables", NULL}, {0, false, "Tab", "next field", NULL}, {0, false, "Space", "change", NULL}, {0, false, "Esc", "back", NULL},
	{0, false, NULL, NULL, NULL},
};

const struct screen screen_options = {
	.title = "Options", .keys = keys, .enter = enter, .leave = leave, .draw = draw, .key = key, .cursor = cursor, .valid = valid,
	.help = "What you chose so far is written to a settings file (never a password), so that the next time one command is enough.",
};

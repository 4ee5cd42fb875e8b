#include "method/toollog.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES 8192 /* of a message or statement: it may be of any size, and its head tells which it is */

struct judgement {
	const char *message; /* part of the message */
	const char *and;     /* another part; NULL */
	const char *object;  /* how the object begins; "" means that it must be empty; NULL: any */
	enum verdict verdict;
	const char *hint;
};

#define OWNER_HINT "run the statement as the owner or as a superuser of the target"
#define MEMBER_HINT "GRANT the owner's role to the role that restores, then run the statement again"
#define PACKAGE_HINT "install the package that it belongs to on the target server, then run the statement again"

/* First match wins; what is not listed needs attention. Harmless is only what leaves nothing missing on the target; BLOCK is
 * what is not about an object: the whole restore cannot count as done. */
static const struct judgement judgements[] = {
	{"ERROR:  schema \"", "\" already exists", NULL, VERDICT_INFO, "it was there before; its owner and grants are set all the same"},
	{"must be owner of extension", NULL, NULL, VERDICT_INFO, "only the extension's comment was not set, and it has one of its own"},
	{"unrecognized configuration parameter", NULL, "", VERDICT_INFO,
	 "a newer client sets this for its own session; the server does not know it and does without"},
	{"circular foreign-key constraints", NULL, NULL, VERDICT_INFO, "matters only to a dump without the schema"},
	{"could not resolve dependency loop", NULL, NULL, VERDICT_INFO, "pg_dump chose an order; what does not restore in it is listed on its own"},
	{"No space left on device", NULL, NULL, VERDICT_BLOCK, "free disk space on the server, then start again"},
	{"out of shared memory", NULL, NULL, VERDICT_BLOCK, "raise max_locks_per_transaction on that server (needs a restart), then start again"},
	{"ERROR:  out of memory", NULL, NULL, VERDICT_BLOCK, "use fewer jobs or a smaller maintenance_work_mem"},
	{"server closed the connection", NULL, NULL, VERDICT_BLOCK, "the server's log says why it ended the session"},
	{"terminating connection", NULL, NULL, VERDICT_BLOCK, "somebody or a restart ended the session; start again"},
	{"no connection to the server", NULL, NULL, VERDICT_BLOCK, "the server's log says why it ended the session"},
	{"connection to server was lost", NULL, NULL, VERDICT_BLOCK, "the server's log says why it ended the session"},
	{"SSL connection has been closed", NULL, NULL, VERDICT_BLOCK, "the server's log says why it ended the session"},
	{"could not receive data from server", NULL, NULL, VERDICT_BLOCK, "check the network between here and the server"},
	{"could not send data to server", NULL, NULL, VERDICT_BLOCK, "check the network between here and the server"},
	{"could not obtain lock", NULL, NULL, VERDICT_BLOCK, "somebody wants to truncate or alter that table: let that be done first; [dump] jobs = 1 locks all tables at once"},
	{"canceling statement due to", NULL, NULL, VERDICT_BLOCK, "a timeout or somebody stopped the statement; run it again"},
	{"COPY failed", "invalid byte sequence", NULL, VERDICT_BLOCK,
	 "rows of this table are missing on the target: the source holds text that is not valid in the database's encoding; repair it there"},
	{"COPY failed", NULL, NULL, VERDICT_BLOCK, "rows of this table are missing on the target; put right what the message says, then start again"},
	{"ERROR:  role \"", "does not exist", NULL, VERDICT_WARN, "an owner or a grant is missing: create the role on the target, then run the statement again"},
	{"ERROR:  tablespace \"", "does not exist", NULL, VERDICT_WARN,
	 "the object is in the default tablespace now; create the tablespace and move it if it matters"},
	{"ERROR:  collation \"", "does not exist", NULL, VERDICT_WARN, "install that locale on the target server, then run the statement again"},
	{"could not create locale", NULL, NULL, VERDICT_WARN, "install that locale on the target server, then run the statement again"},
	{"violates foreign key constraint", NULL, NULL, VERDICT_WARN,
	 "rows of the source break this key; add it NOT VALID, or repair the rows and add it again"},
	{"is violated by some row", NULL, NULL, VERDICT_WARN, "rows of the source break this check; add it NOT VALID, or repair the rows"},
	{"could not create unique index", NULL, NULL, VERDICT_WARN,
	 "the source holds duplicates (often under a damaged index): find and remove them, then create the index"},
	{"is not available", NULL, "EXTENSION", VERDICT_WARN, PACKAGE_HINT},
	{"could not open extension control file", NULL, NULL, VERDICT_WARN, PACKAGE_HINT},
	{"could not access file", NULL, NULL, VERDICT_WARN, PACKAGE_HINT},
	{"unrecognized configuration parameter", NULL, NULL, VERDICT_WARN,
	 "the target does not know this setting (it may belong to an extension that is not loaded): create the object without it"},
	{"must be able to SET ROLE", NULL, NULL, VERDICT_WARN, MEMBER_HINT},
	{"must be member of role", NULL, NULL, VERDICT_WARN, MEMBER_HINT},
	{"must be superuser", NULL, NULL, VERDICT_WARN, "run the statement as a superuser of the target"},
	{"permission denied", NULL, NULL, VERDICT_WARN, OWNER_HINT},
	{"must be owner", NULL, NULL, VERDICT_WARN, OWNER_HINT},
	{"privileges were granted", NULL, NULL, VERDICT_WARN, OWNER_HINT},
	{"privileges could be revoked", NULL, NULL, VERDICT_WARN, OWNER_HINT},
	{"skipping \"", "can analyze it", NULL, VERDICT_WARN, "this table has no statistics yet: ANALYZE it as its owner"},
	{"\", skipping it", NULL, NULL, VERDICT_WARN, "this table has no statistics yet: ANALYZE it as its owner"},
	{"WARNING:  ", NULL, NULL, VERDICT_INFO, "a remark of the server; nothing was left out"},
	{"already exists", NULL, NULL, VERDICT_WARN, "the target held it before; compare the two"},
	{"does not exist", NULL, NULL, VERDICT_WARN, "something it depends on could not be created before it, or the search_path does not lead there; put that right first"},
};

enum verdict toollog_judge(const char *object, const char *message, const char **hint)
{
	for (size_t i = 0; i < sizeof judgements / sizeof *judgements; i++) {
		const struct judgement *j = &judgements[i];
		if (!strstr(message, j->message) || (j->and && !strstr(message, j->and)))
			continue;
		if (j->object && (*j->object ? !str_starts(object, j->object) : *object != '\0'))
			continue;
		*hint = j->hint;
		return j->verdict;
	}
	*hint = "put right what the message says, then run the statement again";
	return VERDICT_WARN;
}

void toollog_init(struct toollog *t)
{
	*t = (struct toollog){.ignored = -1};
}

void toollog_issue_fini(struct toollog_issue *i)
{
	free(i->object);
	free(i->message);
	free(i->command);
	*i = (struct toollog_issue){0};
}

void toollog_fini(struct toollog *t)
{
	str_fini(&t->kind);
	str_fini(&t->object);
	str_fini(&t->toc);
	str_fini(&t->message);
	str_fini(&t->command);
	str_fini(&t->where);
	toollog_issue_fini(&t->done);
}

static void set(struct str *s, const char *text)
{
	str_clear(s);
	str_add(s, text);
}

static const char *after(const char *line, const char *prefix)
{
	return str_starts(line, prefix) ? line + strlen(prefix) : NULL;
}

/* ---- issues ---- */

/* Appends as much as KEEP_BYTES allow, never half a character. */
static void keep(struct str *s, const char *sep, const char *text)
{
	size_t n = strlen(text), room = s->len < KEEP_BYTES ? KEEP_BYTES - s->len : 0;

	if (n > room) {
		n = room;
		while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
			n--;
	}
	if (n == 0)
		return;
	if (s->len > 0)
		str_add(s, sep);
	str_addn(s, text, n);
}

static char *trimmed(const struct str *s)
{
	size_t n = s->len;

	while (n > 0 && (s->data[n - 1] == ' ' || s->data[n - 1] == '\n'))
		n--;
	return xstrndup(str_text(s), n);
}

static void close_issue(struct toollog *t)
{
	if (!t->open)
		return;
	t->open = t->in_command = t->secret = false;
	if (t->has_done) /* the caller did not take it: the older one is kept */
		return;
	t->done = (struct toollog_issue){.object = xstrdup(str_text(&t->where)), .message = trimmed(&t->message),
					 .command = t->command.len ? trimmed(&t->command) : NULL};
	t->done.verdict = toollog_judge(t->done.object, t->done.message, &t->done.hint);
	if (t->done.verdict == VERDICT_INFO) { /* harmless only by its own words: rows and names stand in the details */
		size_t n = strlen(t->done.message); /* blanks at its end are gone */
		char *head = xstrndup(t->done.message, t->head < n ? t->head : n);
		t->done.verdict = toollog_judge(t->done.object, head, &t->done.hint);
		free(head);
	}
	t->has_done = true;
}

/*
 * pg_restore's list has no schema but the owner: "FK CONSTRAINT b b_a_fkey app". The line before, "creating FK
 * CONSTRAINT "public.b b_a_fkey"", says it better; with several jobs it may be another object's, hence the comparison.
 */
static bool same_entry(const struct toollog *t)
{
	bool data = str_eq(str_text(&t->kind), "DATA");
	const char *tag = after(str_text(&t->toc), data ? "TABLE DATA" : str_text(&t->kind));

	if (t->kind.len == 0 || !tag || *tag++ != ' ')
		return false;
	for (const char *dot = strchr(str_text(&t->object), '.'); dot; dot = strchr(dot + 1, '.')) {
		const char *rest = after(tag, dot + 1);
		if (rest && (*rest == ' ' || *rest == '\0'))
			return true;
	}
	return false;
}

static void open_issue(struct toollog *t, const char *text)
{
	close_issue(t);
	t->open = true;
	str_clear(&t->message);
	str_clear(&t->command);
	str_clear(&t->where);
	if (t->unnamed > 0) {
		if (--t->unnamed == 0)
			str_clear(&t->toc);
	} else if (t->toc.len > 0 && same_entry(t)) {
		str_addf(&t->where, "%s%s %s", str_eq(str_text(&t->kind), "DATA") ? "TABLE " : "", str_text(&t->kind), str_text(&t->object));
	} else {
		str_add(&t->where, str_text(&t->toc));
	}
	t->toc_used = true;
	keep(&t->message, "", text);
	t->head = t->message.len;
}

/*
 * "from TOC entry 3347; 1259 16401 INDEX public x_idx app". Said once for all errors of an entry, so it is kept until
 * the next entry is worked on; with several jobs another job's line may come before the error itself, so it is not
 * forgotten before it was used. When two entries are announced in a row, which error is whose is not known: the
 * statements tell, and no object is named.
 */
static void take_toc(struct toollog *t, const char *p)
{
	for (int i = 0; i < 3 && p; i++) { /* "3347;" "1259" "16401" */
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (t->toc.len > 0 && !t->toc_used)
		t->unnamed = t->unnamed ? t->unnamed + 1 : 2;
	set(&t->toc, p ? p : "");
	t->toc_used = false;
}

static void forget_toc(struct toollog *t)
{
	if (t->toc_used)
		str_clear(&t->toc);
}

/* Statements that carry passwords, and the word after which they come. */
static const char *secret_from(const char *statement)
{
	static const char *const t[][2] = {
		{"CREATE USER MAPPING", " OPTIONS "}, {"ALTER USER MAPPING", " OPTIONS "}, {"CREATE SERVER", " OPTIONS "},
		{"ALTER SERVER", " OPTIONS "}, {"CREATE SUBSCRIPTION", " CONNECTION "}, {"ALTER SUBSCRIPTION", " CONNECTION "},
		{"CREATE ROLE", " PASSWORD "}, {"ALTER ROLE", " PASSWORD "},
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		const char *p = str_starts(statement, t[i][0]) ? strstr(statement, t[i][1]) : NULL;
		if (p)
			return p + strlen(t[i][1]);
	}
	return NULL;
}

static void begin_command(struct toollog *t, const char *statement)
{
	const char *secret = secret_from(statement);

	t->in_command = true;
	str_clear(&t->command);
	if (secret) {
		char *head = xstrndup(statement, (size_t)(secret - statement));
		keep(&t->command, "", head);
		str_add(&t->command, "...");
		free(head);
		t->secret = true;
		t->hide = secret[0] != '\0' && !str_eq(secret, "(");
	} else {
		keep(&t->command, "", statement);
	}
}

/* A line that goes on with what an issue said before: the server's DETAIL, the statement's next line. */
static void more(struct toollog *t, const char *line)
{
	const char *cmd = after(line + strspn(line, " "), "Command was: ");

	if (cmd && !t->in_command)
		begin_command(t, cmd);
	else if (t->secret)
		t->hide = true;
	else if (t->in_command)
		keep(&t->command, "\n", line);
	else if (*line)
		keep(&t->message, "; ", line);
}

/* ---- lines ---- */

/* The text between the first and the last double quote, or the whole. */
static void quoted(struct str *to, const char *p)
{
	const char *a = strchr(p, '"'), *b = strrchr(p, '"');

	str_clear(to);
	if (a && b > a)
		str_addn(to, a + 1, (size_t)(b - a - 1));
	else
		str_add(to, p);
}

/* "3347 TABLE DATA big": the name comes last, the kind is what stands in capitals before it. */
static enum toollog_what item(struct toollog *t, enum toollog_what what, const char *p)
{
	const char *name = strchr(p, ' ');

	if (!name)
		return TOOLLOG_NOTHING;
	const char *kind = ++name;
	for (const char *q = name; *q;) {
		size_t len = strcspn(q, " ");
		bool caps = len > 0 && strspn(q, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
		if (!caps || q[len] == '\0')
			break;
		q += len + 1;
		name = q;
	}
	str_clear(&t->kind);
	if (name > kind)
		str_addn(&t->kind, kind, (size_t)(name - kind - 1));
	if (str_eq(str_text(&t->kind), "TABLE DATA"))
		set(&t->kind, "DATA");
	set(&t->object, name);
	return what;
}

static enum toollog_what creating(struct toollog *t, const char *p)
{
	const char *q = strchr(p, '"');

	if (!q || q == p)
		return TOOLLOG_NOTHING;
	str_clear(&t->kind);
	str_addn(&t->kind, p, (size_t)(q - p - 1));
	quoted(&t->object, q);
	return TOOLLOG_STARTED;
}

static enum toollog_what progress(struct toollog *t, const char *p)
{
	static const char *const t2[][2] = {
		{"dumping contents of table ", "DATA"}, {"processing data for table ", "DATA"},
		{"executing SEQUENCE SET ", "SEQUENCE SET"}, {"restoring large object with OID ", "LARGE OBJECT"},
	};
	const char *q;

	for (size_t i = 0; i < sizeof t2 / sizeof *t2; i++) {
		if (!(q = after(p, t2[i][0])))
			continue;
		set(&t->kind, t2[i][1]);
		quoted(&t->object, q);
		return TOOLLOG_STARTED;
	}
	if ((q = after(p, "creating ")))
		return creating(t, q);
	if ((q = after(p, "launching item ")))
		return item(t, TOOLLOG_STARTED, q);
	if ((q = after(p, "finished item ")))
		return item(t, TOOLLOG_FINISHED, q);
	return TOOLLOG_NOTHING;
}

/* First of the prefixes that the line begins with; NULL-terminated list. */
static const char *after_any(const char *p, const char *const *prefixes)
{
	for (; *prefixes; prefixes++) {
		const char *q = after(p, *prefixes);
		if (q)
			return q;
	}
	return NULL;
}

/* What belongs to the issue that is open, in the words of 10 to 18. */
static bool tool_more(struct toollog *t, const char *p)
{
	static const char *const statement[] = {"detail: Command was: ", "detail: Query was: ", "The command was: ", "query was: ", NULL};
	static const char *const text[] = {"detail: ", "hint: ", "Error message from server: ", NULL};
	const char *q;

	if (!t->open)
		return false;
	if ((q = after_any(p, statement))) {
		begin_command(t, q);
		return true;
	}
	if ((q = after_any(p, text)))
		keep(&t->message, "; ", q);
	return q != NULL;
}

static bool said_ignored(struct toollog *t, const char *p)
{
	const char *n = after(p, "errors ignored on restore: ");

	if (n) {
		close_issue(t);
		t->ignored = strtoll(n, NULL, 10);
	}
	return n != NULL;
}

/*
 * With several jobs the workers write to one standard error, a line in pieces ("pg_restore: ", "error: ", the rest), so
 * lines come torn: "pg_restore:pg_restore:  error: could not ...", "error: pg_restore: finished item 7 ...", "from TOC
 * entry ...". Whatever of these pieces stands in front is eaten, and how the rest begins tells what it is.
 */
static const char *eat(const char *line, bool *tool, bool *bad)
{
	static const char *const names[] = {"pg_dump:", "pg_restore:", "vacuumdb:", NULL};
	static const char *const levels[] = {"error:", "fatal:", "warning:", NULL};

	*tool = *bad = false;
	for (;;) {
		const char *p = line + strspn(line, " "), *q;
		if ((q = after_any(p, names)))
			*tool = true;
		else if ((q = after_any(p, levels)))
			*bad = true;
		else
			return *tool || *bad ? p : line;
		line = q;
	}
}

/* What a torn line may begin with, and no line of a statement or of the server does. */
static bool torn(const char *p)
{
	static const char *const starts[] = {"could not execute query: ", "COPY failed for table \"", "from TOC entry ", NULL};

	return after_any(p, starts) != NULL;
}

/* A complaint, if this line is one: its text. */
static const char *complaint(const char *p, bool bad)
{
	const char *q = after(p, "WARNING: ");

	if (q)
		return *q == ' ' ? p : q; /* two blanks: the server's own */
	return bad || torn(p) || str_starts(p, "Dumping the contents of table ") ? p : NULL;
}

/* A line of the tool itself, without its name in front; bad: it said "error" or the like. */
static enum toollog_what tool_line(struct toollog *t, const char *p, bool bad)
{
	static const char *const toc[] = {"from TOC entry ", "Error from TOC entry ", NULL};
	static const char *const stage[] = {"while ", "Error while ", NULL}; /* "PROCESSING TOC:" */
	const char *q = *p == '[' ? strstr(p, "] ") : NULL;

	if (q) { /* 10 and 11: "[archiver (db)] ", always a complaint */
		p = q + 2;
		bad = true;
	}
	if (tool_more(t, p))
		return TOOLLOG_NOTHING;
	close_issue(t);
	if ((q = after_any(p, toc))) {
		take_toc(t, q);
		return TOOLLOG_NOTHING;
	}
	if (after_any(p, stage)) {
		str_clear(&t->toc);
		return TOOLLOG_NOTHING;
	}
	enum toollog_what what = progress(t, p);
	if (what != TOOLLOG_NOTHING)
		forget_toc(t);
	else if ((q = complaint(p, bad)) && !said_ignored(t, q))
		open_issue(t, q);
	return what;
}

/* vacuumdb may not analyze the shared catalogues unless it is superuser; nobody misses that. */
static bool about_catalogue(const char *warning)
{
	return strstr(warning, "\"pg_") && (strstr(warning, "can analyze it") || strstr(warning, ", skipping it"));
}

/* A line with no tool's name in front: the server's notices, and what continues. */
__attribute__((nonnull)) static enum toollog_what raw_line(struct toollog *t, const char *line)
{
	const char *q;

	if ((q = after(line, "INFO:  analyzing \""))) {
		close_issue(t);
		set(&t->kind, "ANALYZE");
		str_clear(&t->object);
		str_addn(&t->object, q, strcspn(q, "\""));
		return TOOLLOG_STARTED;
	}
	if ((q = after(line, "WARNING: ")) && said_ignored(t, q)) /* 10 and 11 */
		return TOOLLOG_NOTHING;
	if (str_starts(line, "WARNING:  ") && !t->in_command) {
		close_issue(t);
		if (!about_catalogue(line))
			open_issue(t, line);
	} else if (str_starts(line, "INFO:  ") && !t->in_command) {
		close_issue(t);
	} else if (t->open) {
		more(t, line);
	}
	return TOOLLOG_NOTHING;
}

enum toollog_what toollog_feed(struct toollog *t, const char *line)
{
	bool tool, bad;
	const char *p = eat(line, &tool, &bad);

	t->hide = false;
	return tool || bad || torn(p) ? tool_line(t, p, bad) : raw_line(t, line);
}

bool toollog_issue(struct toollog *t, bool at_end, struct toollog_issue *out)
{
	if (at_end && !t->has_done)
		close_issue(t);
	if (!t->has_done)
		return false;
	*out = t->done;
	t->done = (struct toollog_issue){0};
	t->has_done = false;
	return true;
}

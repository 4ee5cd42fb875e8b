/* Source and target: where they are, and a test that says which hop fails. */
#include <curses.h>
#include <stdlib.h>

#include "base/str.h"
#include "pg/address.h"
#include "wizard_in.h"

#define FORM_Y 4

static enum side side_of(const struct wizard *w)
{
	return w->at == AT_TARGET ? SIDE_TARGET : SIDE_SOURCE;
}

/* What is meant where nothing is typed; the target's are those of the source. NULL: it must be typed. */
static const char *default_user(const struct wizard *w)
{
	const char *source = w->m->end[SIDE_SOURCE].user;

	return side_of(w) == SIDE_TARGET && !str_empty(source) ? source : "postgres";
}

static const char *default_dbname(const struct wizard *w)
{
	return side_of(w) == SIDE_TARGET ? w->m->end[SIDE_SOURCE].dbname : NULL;
}

static void take_defaults(struct wizard *w)
{
	struct endpoint *e = &w->m->end[side_of(w)];

	if (str_empty(e->user))
		xreplace(&e->user, default_user(w));
	if (str_empty(e->dbname))
		xreplace(&e->dbname, default_dbname(w));
}

static void enter(struct wizard *w)
{
	struct endpoint *e = &w->m->end[side_of(w)];
	bool target = side_of(w) == SIDE_TARGET;
	bool tunnel = w->m->method == METHOD_TUNNEL;
	const struct field fields[] = {
		{.label = "SSH host", .kind = F_TEXT, .text = &e->ssh,
		 .help = target ? "login@host, or a Host of ~/.ssh/config. Empty: the target is reached straight."
				: "login@host, or a Host of ~/.ssh/config: the host that reaches the database server. Its key must ask nothing."},
		{.label = "Host", .kind = F_TEXT, .text = &e->host,
		 .help = tunnel && !target ? "As the SSH host sees it: localhost is the SSH host itself; or a socket's folder there, such as /var/run/postgresql."
			: target ? "A name or an address; a socket's folder such as /var/run/postgresql; or all nodes of a cluster, separated by commas: the leader is found. A whole postgresql://... is taken apart."
				: "A name or an address, or a socket's folder such as /var/run/postgresql. A whole postgresql://... is taken apart."},
		{.label = "Port", .kind = F_TEXT, .text = &e->port, .placeholder = "5432", .help = "5432 when empty. Behind HAProxy the port that leads to the primary."},
		{.label = "Database", .kind = F_TEXT, .text = &e->dbname, .placeholder = default_dbname(w),
		 .help = target ? "It is created when it does not exist; when it does, it must be empty. The source's name is a good one." : "The database that moves."},
		{.label = "User", .kind = F_TEXT, .text = &e->user, .placeholder = default_user(w),
		 .help = target ? "A superuser is best; otherwise a role with CREATEROLE and CREATEDB." : "A superuser, or a role that may read every table."},
		{.label = "Password", .kind = F_PASSWORD, .secret = &e->password,
		 .help = "Kept in memory only. Empty: from PGPASSWORD, else the password file or ~/.pgpass. Ctrl-U clears the field."},
		{.label = "Password file", .kind = F_TEXT, .text = &e->passfile, .placeholder = "~/.pgpass", .help = "In the format of ~/.pgpass, mode 0600; empty: ~/.pgpass."},
		{.label = "TLS mode", .kind = F_TEXT, .text = &e->sslmode, .placeholder = "prefer", .help = "disable, allow, prefer, require, verify-ca or verify-full; empty: prefer."},
	};

	w->form = form_new(fields + !tunnel, sizeof fields / sizeof *fields - !tunnel, FORM_Y, 3, term_cols() - 8);
}

static bool edited[2]; /* by side: since the test that is shown */

static bool went_well(const struct wizard *w)
{
	for (size_t i = 0; i < w->model.tests.n; i++) {
		const struct event *e = w->model.tests.v[i].last;
		if (str_eq(e->id, side_name(side_of(w))) && e->state != ST_DONE)
			return false;
	}
	return true;
}

static int draw_hops(const struct wizard *w, int y, int x, int end, int width)
{
	/* what was well is so no longer once something else stands in the fields; what was not says what to put right */
	bool show = w->busy || w->tested[side_of(w)] || !went_well(w), old = show && !w->busy && edited[side_of(w)];

	if (old)
		(void)put(y++, x, width, R_WARN, "You changed something since this test; Enter tests again.");

	for (size_t i = 0; i < w->model.tests.n && show && y < end; i++) {
		const struct event *e = w->model.tests.v[i].last;
		bool good = e->state == ST_DONE, bad = e->state == ST_FAILED;
		if (!str_eq(e->id, side_name(side_of(w))))
			continue;
		(void)putf(y, x, 19, old ? R_DIM : good ? R_GOOD : bad ? R_BAD : R_DIM, "%s %s", glyph(good ? G_DONE : bad ? G_FAIL : G_RUN), e->title);
		int hint = bad && !str_empty(e->hint) ? put_wrapped(0, 0, 0, width - 20, R_WARN, e->hint, 0) : 0, room = end - y - hint;
		int lines = put_lines(y, x + 20, good ? 1 : room < 1 ? 1 : room, width - 20, old ? R_DIM : R_TEXT, e->text ? e->text : bad ? "" : "asking...");
		y += lines ? lines : 1;
		if (hint)
			y += put_lines(y, x + 20, end - y, width - 20, old ? R_DIM : R_WARN, e->hint);
	}
	return y;
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	int end = y + h;

	(void)put(y, x, width, R_TITLE, side_of(w) == SIDE_TARGET ? "Where does it go?" : "Where is the database now?");
	form_draw(w->form);
	int at = draw_hops(w, FORM_Y + form_rows(w->form) + 4, x + 2, end, width - 4);
	if (w->tested[side_of(w)] && !w->busy)
		(void)put(at + 1 < end ? at + 1 : end - 1, x + 2, width - 4, R_GOOD, "Enter goes on.");
}

static void ready(struct wizard *w, const struct event *e)
{
	if (!str_eq(e->id, "test"))
		return;
	w->tested[side_of(w)] = e->state == ST_DONE;
	edited[side_of(w)] = false;
	if (e->state == ST_CANCELLED)
		wizard_say(w, R_WARN, "the test was stopped");
}

/* The first field that must be filled; the focus goes there. */
static bool missing(struct wizard *w, const struct endpoint *e)
{
	const struct { const char *value, *label; } needed[] = {{e->host, "Host"}, {e->dbname, "Database"}, {e->user, "User"}};

	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		if (str_empty(needed[i].value)) {
			wizard_say(w, R_WARN, "%s is empty: host, database and user are needed", needed[i].label);
			form_focus(w->form, needed[i].label);
			return true;
		}
	return false;
}

/* Word for word; by another address the preflight sees it, too. */
static bool same(struct wizard *w)
{
	const struct endpoint *a = &w->m->end[SIDE_SOURCE], *b = &w->m->end[SIDE_TARGET];
	const char *port_a = str_empty(a->port) ? "5432" : a->port, *port_b = str_empty(b->port) ? "5432" : b->port;

	if (side_of(w) != SIDE_TARGET || !str_eq(a->host, b->host) || !str_eq(port_a, port_b) || !str_eq(a->dbname, b->dbname) || !str_eq(a->ssh, b->ssh))
		return false;
	wizard_say(w, R_WARN, "that is the source itself: give another host, port or database name");
	return true;
}

/* A whole address stands where the host is asked for: its parts go into their fields, the rest is looked at by the operator. */
static bool took_address(struct wizard *w, struct endpoint *e)
{
	char *left_out = NULL;
	struct err err;

	if (!address_given(e->host)) {
		address_tidy(e);
		return false;
	}
	bool read = address_take(e, e->host, &left_out, &err) == ERR_OK;
	form_free(w->form);
	enter(w);
	if (!read)
		wizard_say(w, R_WARN, "%s. Write postgresql://user@host:port/dbname", err.msg);
	else if (left_out)
		wizard_say(w, R_WARN, "the address was taken apart (not used: %s); Enter tests it", left_out);
	else
		wizard_say(w, R_TEXT, "the address was taken apart: look at the fields; Enter tests it");
	free(left_out);
	return true;
}

static void test_or_next(struct wizard *w)
{
	const char *wrong;
	struct command c = {.kind = CMD_TEST, .side = side_of(w)};

	if (w->busy)
		return;
	(void)form_store(w->form, &wrong);
	if (took_address(w, &w->m->end[side_of(w)]))
		return;
	take_defaults(w);
	const struct endpoint *e = &w->m->end[side_of(w)];
	if (missing(w, e) || same(w))
		return;
	if (w->m->method == METHOD_TUNNEL && side_of(w) == SIDE_TARGET && str_empty(e->ssh) && str_empty(w->m->end[SIDE_SOURCE].ssh)) {
		wizard_say(w, R_WARN, "the tunnel method needs an SSH host for the source, the target, or both");
		return;
	}
	if (w->tested[side_of(w)]) {
		wizard_go(w, (enum place)(w->at + 1));
		return;
	}
	wizard_say(w, R_TEXT, "%s", "");
	wizard_setup(w);
	wizard_command(w, &c);
}

static bool key(struct wizard *w, int k, bool special)
{
	enum form_said said = form_key(w->form, k, special);

	if (said == FORM_BACK) {
		const char *wrong;
		(void)form_store(w->form, &wrong);
		wizard_back(w);
	}
	if (said == FORM_TAKEN && ((!special && k != '\t') || k == KEY_BACKSPACE || k == KEY_DC)) {
		w->tested[side_of(w)] = false; /* what was tested is no longer what stands there */
		edited[side_of(w)] = true;
	}
	return said != FORM_IGNORED;
}

static void cursor(struct wizard *w)
{
	form_cursor(w->form);
}

static const struct key keys[] = {
	{'\r', false, "Enter", "test, then next", test_or_next}, {0, false, "Tab", "next field", NULL}, {0, false, "Esc", "back, or stop the test", NULL},
	{0, false, NULL, NULL, NULL},
};

static const char help_text[] =
	"Enter tries the connection and says which hop fails: the server, the login, or the database, in the server's own words and with what to do. "
	"Enter once more goes on. The password is never written to a file, a log or a command line.";

const struct screen screen_source = {.title = "Source", .keys = keys, .enter = enter, .draw = draw, .key = key, .ready = ready, .cursor = cursor, .help = help_text};
const struct screen screen_target = {.title = "Target", .keys = keys, .enter = enter, .draw = draw, .key = key, .ready = ready, .cursor = cursor, .help = help_text};

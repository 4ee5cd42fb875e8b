/* How the data travels: one card each, with what it costs. */
#include "base/str.h"
#include "wizard_in.h"

struct card {
	const char *title, *brief, *what, *downtime, *needs;
	enum method method;
	enum transfer transfer; /* of METHOD_DUMP */
};

static const struct card cards[] = {
	{"Dump, streamed", "from server to server, no file in between", "Rows go from server to server in several sessions; no file in between. The simplest way.",
	 "as long as the copy takes, if nothing may be lost: stop the writers before you start",
	 "this host reaches both servers; pg_dump and pg_restore here", METHOD_DUMP, TRANSFER_STREAM},
	{"Dump through a file", "pg_dump writes it here, pg_restore reads it", "pg_dump writes a file here, several tables at once; pg_restore reads it. The file can be kept, restored later, or again.",
	 "the same, and somewhat longer: the restore begins when the dump is complete",
	 "the same, and disk space here for the file", METHOD_DUMP, TRANSFER_FILE},
	{"Through ssh (tunnel)", "a dump, where only another host reaches a server", "As a dump, for a server that only another host can reach: pgusher keeps an ssh tunnel open to it while it works.",
	 "as long as the copy takes, as with a dump", "a login by key to that host, which asks nothing", METHOD_TUNNEL, TRANSFER_STREAM},
	{"Subscription", "a copy that follows: seconds of downtime", "The copy, and then every change since, by logical replication: the target follows while the source goes on. You watch it until you switch.",
	 "seconds, when you switch", "wal_level = logical on the source, and that the target itself reaches it; makes a publication, a slot and a role there",
	 METHOD_SUBSCRIPTION, TRANSFER_STREAM},
};
#define ALL_H 36    /* rows that all cards at full length take */
#define MIDDLE_H 24 /* and with one at full length */
#define N ((int)(sizeof cards / sizeof *cards))

static void enter(struct wizard *w)
{
	w->sel = w->m->method == METHOD_SUBSCRIPTION ? 3 : w->m->method == METHOD_TUNNEL ? 2 : w->m->dump.transfer == TRANSFER_FILE;
	w->page = N;
}

static int draw_card(const struct wizard *w, int i, int y, int x, int h, int width)
{
	const struct card *c = &cards[i];
	bool on = i == w->sel;

	put_blank(y, x, 1, width, on ? R_SELECT : R_TEXT);
	(void)putf(y, x, width, on ? R_SELECT : R_TITLE, " %s %s", on ? glyph(G_SELECT) : " ", c->title);
	if (!on && h < MIDDLE_H)
		(void)put(y, x + 26, width - 26, R_DIM, c->brief);
	y++;
	if (!on && h < MIDDLE_H)
		return y + 1;
	y += put_lines(y, x + 4, 3, width - 6, R_TEXT, c->what);
	if (!on && h < ALL_H)
		return y + 1;
	(void)put(y, x + 4, 12, R_DIM, "downtime");
	y += put_lines(y, x + 14, 3, width - 16, R_TEXT, c->downtime);
	(void)put(y, x + 4, 12, R_DIM, "needs");
	y += put_lines(y, x + 14, 3, width - 16, R_TEXT, c->needs);
	return y + 1;
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	char size[32], low[32], high[32];
	const struct event *f = w->model.facts[SIDE_SOURCE];

	(void)put(y, x, width, R_TITLE, "How shall the database travel?");
	y += 2;
	for (int i = 0; i < N; i++)
		y = draw_card(w, i, y, x, h, width);
	if (f && f->n > 0) /* what pg_dump | pg_restore made on small and on large machines: 15 to 60 MB/s */
		(void)putf(y, x, width, R_DIM, "The source has %s: expect %s to %s.", fmt_bytes(size, sizeof size, (double)f->n),
			   fmt_secs(low, sizeof low, (double)f->n / 60e6), fmt_secs(high, sizeof high, (double)f->n / 15e6));
	else
		(void)put_lines(y, x, 2, width, R_DIM, "A rule of thumb: 1 to 4 minutes per GB, on small machines and large ones. The preflight reads the size.");
}

static void next(struct wizard *w)
{
	if (w->m->method != cards[w->sel].method)
		w->tested[SIDE_SOURCE] = w->tested[SIDE_TARGET] = false; /* that was another way to get there */
	w->m->method = cards[w->sel].method;
	if (w->m->method != METHOD_TUNNEL) {
		w->m->dump.transfer = cards[w->sel].transfer;
		xreplace(&w->m->end[SIDE_SOURCE].ssh, NULL);
		xreplace(&w->m->end[SIDE_TARGET].ssh, NULL);
	}
	wizard_go(w, AT_SOURCE);
}

static bool key(struct wizard *w, int k, bool special)
{
	return wizard_select(w, N, k, special);
}

static const struct key keys[] = {
	{'\r', false, "Enter", "next", next}, {0, false, "arrows", "another method", NULL}, {27, false, "Esc", "back", wizard_back}, {'q', false, "q", "quit", wizard_quit}, {0, false, NULL, NULL, NULL},
};

const struct screen screen_method = {
	.title = "Method", .keys = keys, .enter = enter, .draw = draw, .key = key,
	.help = "All of them read one snapshot of the source, and prove the copy against the same snapshot. Writers may go on: what they write after the snapshot "
		"is not in the copy, and the report says so. For a move without losing anything, stop the applications first; a subscription brings along what they write, "
		"and they stop only for its cutover.",
};

/* Watching a replication that runs. Declared in attempt.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "attempt_in.h"
#include "base/clock.h"
#include "cutover/cutover.h"
#include "cutover/hook.h"
#include "host/waldisk.h"
#include "pg/patience.h"
#include "watch/crossing.h"
#include "watch/watch.h"

#define AGAIN_S 8    /* the longest wait between two tries to open a tunnel */
#define REFUSED_S 60 /* and after a refusal of ssh */

#define TABLES_MS 2000 /* between lists of tables */
#define DISK_MS 60000  /* between looks at the source's disk */

static enum err_code emit_sample(struct sink *sink, const struct watch_sample *s, struct err *err)
{
	struct event *e = event_new(EV_SAMPLE, NULL);
	json_t *j = watch_sample_json(s);

	e->text = json_dumps(j, JSON_COMPACT);
	e->n = s->lag_bytes;
	e->a = (int64_t)s->apply_rate;
	json_decref(j);
	return sink_emit(sink, e, err);
}

/* The operator's command, once for each trouble that is new. */
static void ring(struct attempt *a, const struct watch_sample *s, struct crossing *c)
{
	struct watch_alarm alarm[WATCH_ALARMS];
	size_t n = crossing_take(c, alarm, watch_alarms(s, alarm), clock_mono_us());

	for (size_t i = 0; i < n && hook_there(a->m, HOOK_ALARM); i++) {
		struct plan *p = plan_new("watch");
		char *reason = xasprintf("%s: %s", alarm[i].verdict == VERDICT_BLOCK ? "ALARM" : "warn", alarm[i].text);
		struct err err = {0};
		struct run r;
		attempt_init_run(&r, a, p, NULL, "watch");
		if (hook_run(&r, HOOK_ALARM, SIDE_TARGET, reason, a->cancel, &err) != ERR_OK && err.code != ERR_CANCELLED)
			run_note(&r, "alarm", "%s", err.msg);
		run_release(&r, false);
		plan_free(p);
		free(reason);
	}
}

/* The tunnels of a watch: one that broke, or did not come up, is opened again, later and later. */
struct ways { struct patience patience[2]; struct err broken[2]; bool opened[2]; };

static void open_ways(struct attempt *a, struct ways *w, struct watch *watch)
{
	for (int i = 0; i < 2; i++) {
		bool away = w->broken[i].code != ERR_OK;
		if (away ? w->patience[i].over || patience_left_s(&w->patience[i]) > 0 : w->opened[i] && !route_broken(a->route, (enum side)i))
			continue;
		if (!away)
			w->patience[i] = (struct patience){.most_s = AGAIN_S, .refused_s = REFUSED_S};
		w->opened[i] = true;
		if (route_open(a->route, (enum side)i, &w->broken[i]) == ERR_OK)
			w->broken[i] = (struct err){0};
		else
			(void)patience_more(&w->patience[i], &w->broken[i]);
		watch_no_way(watch, (enum side)i, w->broken[i].code != ERR_OK ? &w->broken[i] : NULL); /* without it, another server may stand behind that name */
	}
}

/* ssh knows better than libpq why an end does not answer. */
static void say_ways(const struct ways *w, struct watch_sample *s)
{
	char *const says[2] = {s->source_error, s->target_error};

	for (int i = 0; i < 2; i++)
		if (*says[i] && w->broken[i].code != ERR_OK && w->patience[i].over)
			(void)snprintf(says[i], sizeof s->source_error, "not tried again before the watch begins anew: %s", w->broken[i].msg);
		else if (*says[i] && w->broken[i].code != ERR_OK)
			(void)snprintf(says[i], sizeof s->source_error, "again in %d s (try %d): %s", patience_left_s(&w->patience[i]), w->patience[i].tries + 1, w->broken[i].msg);
}

struct disk { struct waldisk *d; int64_t due_us; };

/* How much is free where the source keeps its WAL: asked rarely, and never waited for. */
static void tend_disk(struct watch *w, struct disk *k)
{
	struct waldisk_reading now;
	struct wal_place place;
	struct err ignored; /* a source that is away is in the sample */

	if (clock_poll_ms(k->due_us) == 0 && watch_wal_place(w, &place, &ignored) == ERR_OK) {
		waldisk_ask(k->d, &place);
		k->due_us = clock_deadline(DISK_MS);
	}
	if (waldisk_take(k->d, &now))
		watch_disk(w, now.free_bytes, now.where);
}

struct listing { bool on; int64_t due_us; };

/* The list of tables, while somebody looks at it. */
static enum err_code list_tables(struct attempt *a, struct watch *w, struct listing *l, struct err *err)
{
	struct err why;
	char *text;

	for (struct command c; queue_told(a->sink->q, WATCH_TABLES, &c); command_fini(&c))
		*l = (struct listing){.on = str_eq(c.text, "on")};
	if (!l->on || clock_poll_ms(l->due_us) > 0 || watch_tables(w, &text, &why) != ERR_OK) /* an end that is away is in the sample */
		return ERR_OK;
	struct event *e = event_new(EV_TABLES, side_name(SIDE_TARGET));
	e->text = text;
	l->due_us = clock_deadline(TABLES_MS);
	return sink_emit(a->sink, e, err);
}

/* Nothing on the servers says so any more; only what was written down here. */
static bool was_finalized(const struct migration *m)
{
	char *dir = migration_state_dir(m), *path = journal_path(dir);
	struct model seen;
	struct err err;

	model_init(&seen);
	bool ended = model_load(&seen, path, &err) == ERR_OK && seen.begin && str_eq(seen.begin->sql, FINALIZE_BEGIN) && seen.end && seen.end->state == ST_DONE;
	model_fini(&seen);
	free(path);
	free(dir);
	return ended;
}

enum err_code attempt_watch(struct attempt *a, struct err *err)
{
	struct ways ways = {0};
	struct pollfd p = {.fd = a->cancel->fd, .events = POLLIN};
	enum err_code rc = ERR_OK;

	char *dir = migration_state_dir(a->m), *app = xasprintf("pgusher watch %.32s", a->m->name);
	struct watch *w = watch_new(a->m, dir, app, a->cancel);
	watch_goes_on(w);
	if (was_finalized(a->m))
		watch_finalized(w);
	struct crossing c = {0};
	struct listing listing = {0};
	struct disk disk = {.d = waldisk_new(a->m)};
	while (rc == ERR_OK && !cancel_raised(a->cancel)) {
		struct watch_sample s;
		open_ways(a, &ways, w);
		for (int i = 0; i < 2; i++)
			if (route_told_password(a->route, (enum side)i))
				watch_password(w, (enum side)i);
		tend_disk(w, &disk);
		watch_take(w, &s);
		say_ways(&ways, &s);
		if (!cancel_raised(a->cancel)) {
			ring(a, &s, &c); /* before the front end sees it, which may leave at once */
			rc = emit_sample(a->sink, &s, err);
			if (rc == ERR_OK)
				rc = list_tables(a, w, &listing, err);
			(void)poll(&p, 1, a->m->refresh_ms);
		}
	}
	waldisk_free(disk.d);
	watch_free(w);
	free(app);
	free(dir);
	return rc;
}

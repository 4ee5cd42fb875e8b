#include "watch/guard.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/share.h"
#include "base/str.h"

/* ---- judgement ---- */

static void __attribute__((format(printf, 3, 4))) judge(struct guard *g, enum guard_word word, const char *fmt, ...)
{
	va_list ap;

	if (word < g->word) /* a later failover does not make good what an earlier one lost */
		return;
	g->word = word;
	va_start(ap, fmt);
	(void)vsnprintf(g->say, sizeof g->say, fmt, ap);
	va_end(ap);
}

static void another_leader(struct guard *g, const struct guard_reading *now)
{
	char n[32];

	if (g->local > 0 && now->fork >= 0 && now->fork < g->local)
		judge(g, GUARD_LOST, "the target failed over to timeline %" PRId64 ", and its new leader lacks the last %s of WAL with changes that had been confirmed",
		      now->timeline, fmt_bytes(n, sizeof n, (double)(g->local - now->fork)));
	else if (g->safe)
		judge(g, GUARD_KEPT, "the target failed over to timeline %" PRId64 "; a synchronous standby had all that was confirmed", now->timeline);
	else if (now->fork < 0)
		judge(g, GUARD_UNPROVEN, "the target failed over to timeline %" PRId64 ", and this role may not read where it left the old one", now->timeline);
	else
		judge(g, GUARD_UNPROVEN, "the target failed over to timeline %" PRId64 "; its new leader has all that was seen confirmed, only the last moment before is not proven",
		      now->timeline);
}

static void keep_newest(struct guard *g, const struct guard_reading *now)
{
	if (g->next_remote > 0 && now->confirmed >= g->next_remote) {
		g->local = g->next_local;
		g->remote = g->next_remote;
		g->next_remote = 0;
	}
	if (g->next_remote == 0 && now->remote > 0 && now->local > 0) {
		g->next_local = now->local;
		g->next_remote = now->remote;
	}
	g->safe = now->safe;
}

void guard_look(struct guard *g, const struct guard_reading *now)
{
	char n[32];

	if (now->timeline <= 0)
		return;
	if (g->system[0] && now->system[0] && !str_eq(g->system, now->system)) {
		judge(g, GUARD_OTHER, "another cluster answers as the target: system identifier %s, it was %s", now->system, g->system);
		return;
	}
	if (now->system[0])
		(void)snprintf(g->system, sizeof g->system, "%.23s", now->system);
	if (g->timeline != 0 && now->timeline != g->timeline) {
		another_leader(g, now);
		g->local = g->remote = g->next_remote = 0; /* positions of the old line mean nothing on the new one */
	} else if (now->remote > 0 && now->remote < g->remote) {
		judge(g, GUARD_LOST, "the target fell back behind what it had confirmed, by %s of the source's WAL",
		      fmt_bytes(n, sizeof n, (double)(g->remote - now->remote)));
		g->local = g->remote = g->next_remote = 0;
	}
	g->timeline = now->timeline;
	keep_newest(g, now);
}

int64_t guard_fork(const char *history, int64_t line)
{
	for (const char *p = history; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		char *end;
		long id = strtol(p, &end, 10);
		if (end == p || *end != '\t' || id != line)
			continue;
		unsigned long hi = strtoul(end + 1, &end, 16), lo = *end == '/' ? strtoul(end + 1, &end, 16) : ULONG_MAX;
		if (*end == '\t' && hi <= INT32_MAX && lo <= UINT32_MAX)
			return (int64_t)(hi << 32 | lo);
	}
	return -1;
}

/* ---- memory ---- */

static int64_t number(const json_t *j, const char *name)
{
	return json_integer_value(json_object_get(j, name));
}

static void text(const json_t *j, const char *name, char *to, size_t size)
{
	const char *s = json_string_value(json_object_get(j, name));

	(void)snprintf(to, size, "%s", s ? s : "");
}

void guard_load(struct guard *g, const char *path)
{
	json_t *j = json_load_file(path, 0, NULL);
	int64_t word = number(j, "word");

	*g = (struct guard){.timeline = number(j, "timeline"), .local = number(j, "local"), .remote = number(j, "remote"),
			    .safe = json_is_true(json_object_get(j, "safe")), .word = word < 0 || word > GUARD_OTHER ? GUARD_UNPROVEN : (enum guard_word)word};
	text(j, "system", g->system, sizeof g->system);
	text(j, "say", g->say, sizeof g->say);
	json_decref(j);
}

bool guard_save(const struct guard *g, const char *path)
{
	json_t *j = json_pack("{s:I, s:s, s:I, s:I, s:b, s:i, s:s}", "timeline", (json_int_t)g->timeline, "system", g->system, "local", (json_int_t)g->local,
			      "remote", (json_int_t)g->remote, "safe", (int)g->safe, "word", (int)g->word, "say", g->say);
	char *tmp = xasprintf("%s.%ld", path, (long)getpid()); /* whoever reads it meanwhile reads all of the old one */
	int fd = j ? share_open(tmp, O_WRONLY | O_CREAT | O_TRUNC) : -1;
	bool ok = fd >= 0 && json_dumpfd(j, fd, JSON_COMPACT) == 0;

	if (fd >= 0 && close(fd) < 0)
		ok = false;
	ok = ok && rename(tmp, path) == 0;
	if (!ok)
		(void)unlink(tmp);
	json_decref(j);
	free(tmp);
	return ok;
}

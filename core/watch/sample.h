#ifndef PGUSHER_WATCH_SAMPLE_H
#define PGUSHER_WATCH_SAMPLE_H
/*
 * sample - one reading of a running replication, both ends, and what it means. A plain value; pure functions; any thread.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "event.h"

struct watch_sample {
	int64_t at_us;                          /* wall clock */
	int64_t source_ok, target_ok;           /* 1: it answered */
	char source_error[200], target_error[200];
	int64_t source_away, target_away;       /* enum watch_away: what kind of an error that is */
	int64_t source_seen_us, target_seen_us; /* wall clock of its last answer to this watcher; 0: none yet, and nothing of it is known */
	/* target; as last seen when it does not answer */
	int64_t sub_exists, enabled, worker;    /* worker: the apply worker's pid, 0: none runs */
	char subscription[64], slot[64];
	int64_t tables, ready;
	char busy[400];                         /* tables that are not ready: "public.big copying, ..." */
	int64_t apply_errors, sync_errors, conflicts; /* counted by the server; -1: it does not count them (before 15, 18). Conflicts: that were passed over */
	char said[240], said_detail[240];       /* why the worker fails, in the server's own words (serverlog.h); "": nothing is wrong, or not known */
	char said_relation[140], said_lsn[24];
	char said_look[300], said_remove[300];  /* the row in the way, and without it; "" */
	char log_where[320];                    /* where the server's words are; "" while nothing is wrong */
	int64_t target_version;                 /* 160014 */
	int64_t restarts;                       /* of the apply worker within the last 20 s, seen by this watcher */
	int64_t replaced;                       /* 1: a moment ago it ended and was started anew, so fast that no sample was without one */
	int64_t timeline;                       /* of the target; 0: not readable */
	char address[64];                       /* of the server that answers as the target; "": a socket */
	int64_t failed_over;                    /* enum guard_word: what another leader on the target means */
	char failover[320];                     /* in words; "": there was none */
	int64_t standbys, sync_standbys;        /* of the target, streaming; -1: not readable */
	char sync_commit[16];                   /* of the subscription: synchronous_commit */
	char origin_lsn[24];                    /* how far the target's own record of what it applied has come; "": not readable */
	char intruder[200];                     /* who else writes on the target, or did a moment ago (talkers.h); "" */
	/* source */
	int64_t slot_exists, slot_active;
	char wal_status[16];                    /* "" before 13 */
	char current_lsn[24], confirmed_lsn[24];
	int64_t lag_bytes, unsent_bytes;        /* not confirmed by the target; of it not sent yet (-1: no walsender) */
	int64_t held_bytes, safe_bytes;         /* WAL kept for the slot; until it is thrown away (-1: no limit, or before 13) */
	char worker_wait[48], sender_wait[48];  /* what the apply worker and its walsender wait for: "IO/DataFileRead"; "": it computes, or that may not be seen */
	double heard_s;                         /* since the worker's last message from the source, by the target's clock; -1: not known */
	double silent_s;                        /* for so long nothing came to the worker of what the source had sent (flow.h); 0: nothing is missing */
	double still_s;                         /* for so long nothing was confirmed of what is behind; 0: it moves, or is level */
	char stuck[300];                        /* who holds the lock that a worker waits for (stuck.h); "" */
	int64_t stuck_pid;
	int64_t xmin_age;                       /* transactions that the slot holds back catalogue vacuum by */
	char writer[200];                       /* longest transaction that writes; "" when none for 10 s */
	/* arithmetic */
	double lag_s;                           /* age of the newest change that the target has; -1: not known yet */
	double apply_rate, wal_rate;            /* bytes/s confirmed, and written on the source; -1: not known */
	double commits;                         /* transactions/s committed on the target's database; -1: not known */
	double level_s;                         /* until the lag is gone at these rates; -1: never, or not known */
	double full_s;                          /* until safe_bytes are used up at this rate; -1: never, or no limit */
	int64_t disk_bytes;                     /* free where the source keeps its WAL, less what was kept since that was read; -1: not known */
	char disk_where[400];                   /* whose disk; or why it is not known, and how to make it so; "": not looked yet, or nothing follows any more */
	double disk_full_s;                     /* until they are used up at this rate; -1: never, or not known */
	double within_s;                        /* for how long [cutover] max_lag has been kept, as far as this watcher saw */
	/* after a cutover: the subscription sleeps on purpose */
	int64_t handed_over;                    /* 1: the source says that the target is the primary */
	int64_t fenced;                         /* 1: the source refuses writes for a cutover that has not come to its end */
	int64_t back_fenced;                    /* 1: the target refuses writes for a rollback that has not come to its end */
	int64_t talkers;                        /* client sessions on the old source, without ours; -1: not known */
	char who_talks[600];                    /* talkers.h; "" */
	int64_t rolled_back;                    /* 1: the source says that it is the primary again: nothing follows any more, on purpose */
	int64_t finalized;                      /* 1: the journal says that the migration was ended: the same */
	/* after a cutover lag_bytes, lag_s and the rates are the reverse link's: how far the old server is behind the new primary */
	int64_t way_back;                       /* 1: there is a reverse link, or a part of one */
	int64_t back_down;                      /* looks in a row that saw no worker of it connected */
	int64_t back_held_bytes;                /* WAL that its slot keeps on the new primary */
	int64_t back_lacks;                     /* enum back_lacks */
	/* each minute */
	int64_t sequences_behind;               /* on the source further than on the target; -1: not looked yet */
	char drift[400];                        /* tables whose columns differ, or that are not on both sides; "": none; after a cutover all these are of the reverse link */
	char drift_less[400];                   /* what differs and stops nothing: indexes, keys, checks; "": nothing */
	char drift_lines[2000];                 /* both, object by object, a line each (drift.h) */
	int64_t drift_ms;                       /* how long it took to look; -1: not yet, or it could not be compared */
	char drift_not[200];                    /* why it could not; "" */
	char reverse_not[160];                  /* why the target cannot feed a reverse link; "": it can */
};

enum watch_away { AWAY_NOT, AWAY_SILENT, AWAY_REFUSED, AWAY_PASSWORD }; /* REFUSED: by a server that is there; PASSWORD: missing or wrong, not asked again by itself */
enum back_lacks { BACK_WHOLE, BACK_DISABLED, BACK_NO_SUBSCRIPTION, BACK_NO_SLOT };

struct watch_alarm {
	const char *id;        /* stable, a constant: "lag" */
	enum verdict verdict;  /* WARN or BLOCK */
	char text[480], todo[720];
};

#define WATCH_ALARMS 12
#define WATCH_SILENT_S 1.75 /* silent_s that is no accident any more; with one sample a second it is named within three */
/* What is wrong, worst first. Returns how many of out were filled. */
size_t watch_alarms(const struct watch_sample *s, struct watch_alarm out[WATCH_ALARMS]);
/* There is a link whose tables can be compared each minute: the one that runs, after a cutover the reverse one. */
bool watch_compares(const struct watch_sample *s);
/* Whatever the target confirms, a synchronous standby of it has as well: a failover loses nothing. */
bool watch_is_safe(const struct watch_sample *s);
/* The WAL that the slot keeps has less than an hour of room, on the disk or up to its limit, or none: giving up is at hand. */
bool watch_is_filling(const struct watch_sample *s);
/* "streaming", "copying", "behind", "trouble", "cut over", "rolled back", "finalized": one word for the whole. */
const char *watch_word(const struct watch_sample *s);

json_t *watch_sample_json(const struct watch_sample *s); /* new reference; with the alarms */
/* false: not a sample */
bool watch_sample_from_text(struct watch_sample *s, const char *json);

#endif

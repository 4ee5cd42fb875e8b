#include "watch/stays.h"

bool stays_look(struct stays *k, int64_t now_us, int64_t pid, int64_t left)
{
	if (pid != k->pid) {
		k->pid = pid;
		k->seen_us = now_us;
	}
	bool stays = pid != 0 && now_us - k->seen_us >= STAYS_US;
	if (k->moved_us == 0 || stays || left < k->best) {
		k->best = left;
		k->moved_us = now_us;
	}
	return now_us - k->moved_us <= STAYS_GIVE_UP_US;
}

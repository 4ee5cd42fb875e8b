#include "queue.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/str.h"

struct waiting { struct waiting *next; struct event *e; };
struct ordered { struct ordered *next; struct command c; };

struct queue {
	pthread_mutex_t mu;
	int out_fd, in_fd;      /* eventfds: events wait, commands wait */
	struct waiting *head, **tail;
	struct ordered *first, **last;
	int n_logs;
	uint64_t dropped;
	bool closed;
};

static void ring(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof one); /* can only fail when the counter is full: then it rings already */
	(void)n;
}

static void unring(int fd)
{
	uint64_t v;
	ssize_t n = read(fd, &v, sizeof v);
	(void)n;
}

struct queue *queue_new(void)
{
	struct queue *q = xcalloc(1, sizeof *q);

	q->out_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->in_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->tail = &q->head;
	q->last = &q->first;
	(void)pthread_mutex_init(&q->mu, NULL);
	if (q->out_fd >= 0 && q->in_fd >= 0)
		return q;
	queue_free(q);
	return NULL;
}

void command_fini(struct command *c)
{
	free(c->id);
	if (c->text) /* it may be a password */
		explicit_bzero(c->text, strlen(c->text));
	free(c->text);
	if (c->migration) {
		migration_fini(c->migration);
		free(c->migration);
	}
	*c = (struct command){0};
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	for (struct event *e; (e = queue_next(q)) != NULL;)
		event_free(e);
	while (q->first) {
		struct ordered *o = q->first;
		q->first = o->next;
		command_fini(&o->c);
		free(o);
	}
	if (q->out_fd >= 0)
		(void)close(q->out_fd);
	if (q->in_fd >= 0)
		(void)close(q->in_fd);
	(void)pthread_mutex_destroy(&q->mu);
	free(q);
}

void queue_send(struct queue *q, const struct command *c)
{
	struct ordered *o = xcalloc(1, sizeof *o);

	o->c = *c;
	o->c.id = xstrdup(c->id);
	o->c.text = xstrdup(c->text);
	if (c->migration) {
		o->c.migration = xcalloc(1, sizeof *o->c.migration);
		migration_copy(o->c.migration, c->migration);
	}
	(void)pthread_mutex_lock(&q->mu);
	*q->last = o;
	q->last = &o->next;
	ring(q->in_fd);
	(void)pthread_mutex_unlock(&q->mu);
}

int queue_fd(const struct queue *q)
{
	return q->out_fd;
}

void queue_close(struct queue *q)
{
	(void)pthread_mutex_lock(&q->mu);
	q->closed = true;
	ring(q->in_fd);
	(void)pthread_mutex_unlock(&q->mu);
}

/* The first command, or with `id` the first answer to that gate. Caller holds the mutex. */
static bool unlink_command(struct queue *q, const char *id, struct command *c)
{
	for (struct ordered **p = &q->first; *p; p = &(*p)->next) {
		struct ordered *o = *p;
		if (id && (o->c.kind != CMD_ANSWER || !str_eq(o->c.id, id)))
			continue;
		*c = o->c;
		*p = o->next;
		if (q->last == &o->next)
			q->last = p;
		free(o);
		return true;
	}
	return false;
}

void queue_cancel(struct queue *q, struct cancel *cancel)
{
	(void)pthread_mutex_lock(&q->mu);
	for (struct ordered *o = q->first; o; o = o->next)
		o->c.cancelled = true;
	cancel_raise(cancel);
	(void)pthread_mutex_unlock(&q->mu);
}

/* id NULL: the next command; then the cancel is not waited for, but reset. */
static bool take(struct queue *q, const char *id, struct cancel *cancel, struct command *c)
{
	for (;;) {
		(void)pthread_mutex_lock(&q->mu);
		bool closed = q->closed, found = !closed && unlink_command(q, id, c);
		if (found && !id)
			cancel_reset(cancel);
		unring(q->in_fd); /* the wait below is only for what comes from now on */
		(void)pthread_mutex_unlock(&q->mu);
		if (found)
			return true;
		if (closed || (id && cancel_raised(cancel)))
			return false;
		struct pollfd p[2] = {{.fd = q->in_fd, .events = POLLIN}, {.fd = id && cancel ? cancel->fd : -1, .events = POLLIN}};
		(void)poll(p, 2, -1); /* interrupted or not, we look again */
	}
}

bool queue_take(struct queue *q, struct cancel *cancel, struct command *c)
{
	return take(q, NULL, cancel, c);
}

bool queue_answer(struct queue *q, const char *id, struct cancel *cancel, struct command *c)
{
	return take(q, id, cancel, c);
}

bool queue_told(struct queue *q, const char *id, struct command *c)
{
	(void)pthread_mutex_lock(&q->mu);
	bool found = !q->closed && unlink_command(q, id, c);
	(void)pthread_mutex_unlock(&q->mu);
	return found;
}

/* Progress that nobody has seen yet is replaced. Caller holds the mutex. */
static bool coalesce(struct queue *q, struct event *e)
{
	if (e->kind != EV_PROGRESS && e->kind != EV_SAMPLE && e->kind != EV_WAIT && e->kind != EV_AGAIN)
		return false;
	for (struct waiting *w = q->head; w; w = w->next)
		if (w->e->kind == e->kind && str_eq(w->e->id, e->id)) {
			event_free(w->e);
			w->e = e;
			return true;
		}
	return false;
}

void queue_post(struct queue *q, struct event *e)
{
	(void)pthread_mutex_lock(&q->mu);
	if (e->kind == EV_LOG && q->n_logs >= QUEUE_LOGS) {
		q->dropped++;
		event_free(e);
	} else if (!coalesce(q, e)) {
		struct waiting *w = xcalloc(1, sizeof *w);
		if (e->kind == EV_LOG) {
			e->seq = q->dropped;
			q->dropped = 0;
			q->n_logs++;
		}
		w->e = e;
		*q->tail = w;
		q->tail = &w->next;
		ring(q->out_fd);
	}
	(void)pthread_mutex_unlock(&q->mu);
}

struct event *queue_next(struct queue *q)
{
	struct event *e = NULL;

	(void)pthread_mutex_lock(&q->mu);
	struct waiting *w = q->head;
	if (w) {
		q->head = w->next;
		if (!q->head)
			q->tail = &q->head;
		e = w->e;
		q->n_logs -= e->kind == EV_LOG;
		free(w);
	} else {
		unring(q->out_fd);
	}
	(void)pthread_mutex_unlock(&q->mu);
	return e;
}

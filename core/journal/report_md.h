#ifndef PGUSHER_JOURNAL_REPORT_MD_H
#define PGUSHER_JOURNAL_REPORT_MD_H
/* report_md - the report as Markdown (report.h), and what both forms of it count. Any thread. */
#include "journal/report.h"

/* A proof of an object, or of all that are the same; else of rows. */
bool report_of_objects(const struct event *e);
/* Objects: the same, different, not proven. False: they were not compared. */
bool report_count_objects(const struct model *m, size_t n[3]);
/* Tables and the like: equal, different, not proven; rows of the equal ones. */
void report_count(const struct model *m, size_t n[3], int64_t *rows);
/* The newest remark of a title; NULL: there is none. */
const struct event *report_note(const struct model *m, const char *title);

#endif

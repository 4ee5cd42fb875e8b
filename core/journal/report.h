#ifndef PGUSHER_JOURNAL_REPORT_H
#define PGUSHER_JOURNAL_REPORT_H
/* report - what happened, for people (Markdown) and for programs (JSON); a fold over the model. Any thread. */
#include "journal/model.h"

char *report_markdown(const struct model *m); /* caller frees */
json_t *report_json(const struct model *m);   /* new reference */
/* <dir>/report.md and report.json, of the newest attempt, and report-<attempt>.md, which stays; each replaced atomically. */
enum err_code report_write(const struct model *m, const char *dir, struct err *err);

#endif

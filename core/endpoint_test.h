#ifndef PGUSHER_ENDPOINT_TEST_H
#define PGUSHER_ENDPOINT_TEST_H
/*
 * endpoint_test - whether an endpoint as it was typed leads to a server: an EV_TEST for each hop. Asked once only: somebody waits
 * for the answer, and types it anew. Engine thread.
 */
#include "route.h"

enum err_code endpoint_test(struct route *r, enum side side, struct err *err);

#endif

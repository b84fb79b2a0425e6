/* How a fake backend can fail a request. */
#ifndef TESTS_FAKE_FAULT_H
#define TESTS_FAKE_FAULT_H

enum fake_fault {
	FAKE_WELL,
	FAKE_LOSE_REQUEST, /* cut before it does anything */
	FAKE_LOSE_ANSWER,  /* cut after it has */
	FAKE_BODY,         /* answers other bytes with status 200, and does nothing */
	FAKE_STATUS,       /* answers another status, and does nothing */
};

#endif

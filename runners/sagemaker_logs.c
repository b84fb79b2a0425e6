#include "runners/sagemaker_logs.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"

#define FOLLOW_MS 5000 /* between two looks at a job that goes on */
#define EVENTS_MAX 10000
#define STREAMS_MAX 50
#define EMPTY_MAX 20

static void list_streams(struct sagemaker_logs *reading);
static void read_page(struct sagemaker_logs *reading);

static struct sagemaker_logs *reading_of(struct sagemaker_call *call)
{
	return container_of(call, struct sagemaker_logs, call);
}

static void fail(struct sagemaker_logs *reading, const char *what)
{
	sagemaker_fail(&reading->call, what, &reading->err);
	reading->done(reading);
}

static void send(struct sagemaker_logs *reading, const char *operation, json_t *body,
	void (*done)(struct sagemaker_call *call))
{
	sagemaker_send_logs(reading->server, &reading->call, operation, body, done);
}

/* There may be more of it later. */
static bool goes_on(const struct sagemaker_logs *reading)
{
	return reading->logs->follow && !reading->ended;
}

/* --- what is there is told --- */

static void pause_over(struct loop_timer *timer)
{
	struct sagemaker_logs *reading = container_of(timer, struct sagemaker_logs, timer);

	if (json_array_size(reading->streams))
		read_page(reading);
	else
		list_streams(reading);
}

/* Last lines come to CloudWatch after the job's end. */
static void job_seen(struct sagemaker_call *call)
{
	struct sagemaker_logs *reading = reading_of(call);
	const char *status = doc_str_or(call->api.answer, "ProcessingJobStatus", "");

	if (!sagemaker_answered(call)) {
		fail(reading, "describe the processing job");
		return;
	}
	reading->ended = !str_eq(status, "InProgress") && !str_eq(status, "Stopping");
	loop_timer_set(reading->server->loop, &reading->timer, FOLLOW_MS, pause_over);
}

static void is_over(struct sagemaker_logs *reading)
{
	if (!json_array_size(reading->streams))
		err_set(&reading->err, ERR_USER, "NoLogs",
			"CloudWatch has nothing of the processing job %s yet, in the group %s",
			reading->job, SAGEMAKER_LOG_GROUP);
	reading->done(reading);
}

/* Of the streams that there are. */
static void all_is_told(struct sagemaker_logs *reading)
{
	if (goes_on(reading))
		sagemaker_send(reading->server, &reading->call, "DescribeProcessingJob",
			json_pack("{s:s}", "ProcessingJobName", reading->job), job_seen);
	else
		is_over(reading);
}

/* --- a stream --- */

static void stream_is_told(struct sagemaker_logs *reading)
{
	if (!goes_on(reading) && reading->stream + 1 < json_array_size(reading->streams)) {
		reading->stream++;
		free(take_ptr(reading->token));
		read_page(reading);
	} else {
		all_is_told(reading);
	}
}

static void tell(struct runner_logs *logs, const json_t *events)
{
	const json_t *event;
	size_t i;

	json_array_foreach (events, i, event) {
		const json_t *message = json_object_get(event, "message");
		const char *text = json_string_value(message);
		size_t len = json_string_length(message);

		if (!text)
			continue;
		logs->data(logs, text, len);
		if (!len || text[len - 1] != '\n')
			logs->data(logs, "\n", 1);
	}
}

static void page_seen(struct sagemaker_call *call)
{
	struct sagemaker_logs *reading = reading_of(call);
	const json_t *events = json_object_get(call->api.answer, "events");
	const char *next = doc_str(call->api.answer, "nextForwardToken");
	bool last = !next || str_eq(next, reading->token);

	if (!sagemaker_answered(call)) {
		fail(reading, "read the log");
		return;
	}
	reading->empty = json_array_size(events) ? 0 : reading->empty + 1;
	tell(reading->logs, events);
	if (next && !last) {
		free(reading->token);
		reading->token = xstrdup(next);
	}
	if (last || reading->empty >= EMPTY_MAX) {
		reading->empty = 0;
		stream_is_told(reading);
	} else {
		read_page(reading);
	}
}

/* The last lines are those of the first page; what comes after it is read from there on. */
static void read_page(struct sagemaker_logs *reading)
{
	const char *stream =
		doc_str_or(json_array_get(reading->streams, reading->stream), "logStreamName", "");
	int64_t tail = reading->logs->tail_lines;
	bool from_head = reading->token || !tail;
	json_t *body = json_pack("{s:s, s:s, s:b}", "logGroupName", SAGEMAKER_LOG_GROUP,
		"logStreamName", stream, "startFromHead", from_head);

	if (reading->token)
		json_object_set_new(body, "nextToken", json_string(reading->token));
	else if (tail)
		json_object_set_new(
			body, "limit", json_integer(tail < EVENTS_MAX ? tail : EVENTS_MAX));
	send(reading, "GetLogEvents", body, page_seen);
}

/* --- the streams --- */

static void streams_listed(struct sagemaker_call *call)
{
	struct sagemaker_logs *reading = reading_of(call);
	json_t *list = json_object_get(call->api.answer, "logStreams");

	/* the group is made by the first job of an account */
	if (!sagemaker_answered(call) && !sagemaker_not_found(call)) {
		fail(reading, "find the log");
		return;
	}
	if (json_array_size(list)) {
		json_decref(reading->streams);
		reading->streams = json_incref(list);
		read_page(reading);
	} else {
		all_is_told(reading);
	}
}

static void list_streams(struct sagemaker_logs *reading)
{
	auto_free char *prefix = xasprintf("%s/", reading->job);

	send(reading, "DescribeLogStreams",
		json_pack("{s:s, s:s, s:i}", "logGroupName", SAGEMAKER_LOG_GROUP,
			"logStreamNamePrefix", prefix, "limit", STREAMS_MAX),
		streams_listed);
}

void sagemaker_logs_read(struct sagemaker_logs *reading, const char *job)
{
	reading->job = xstrdup(job);
	list_streams(reading);
}

void sagemaker_logs_free(struct sagemaker_logs *reading)
{
	sagemaker_call_free(&reading->call);
	loop_timer_del(&reading->timer);
	json_decref(reading->streams);
	free(reading->token);
	free(reading->job);
	err_clear(&reading->err);
	*reading = (struct sagemaker_logs){0};
}

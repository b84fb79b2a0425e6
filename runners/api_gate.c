#include "runners/api_gate.h"

int64_t api_gate_take(struct api_gate *gate, int64_t now_ms)
{
	int64_t saved = now_ms - (int64_t)API_GATE_BURST * API_GATE_GAP_MS, place;

	if (gate->next_ms < saved)
		gate->next_ms = saved;
	gate->next_ms += API_GATE_GAP_MS;
	place = gate->next_ms - now_ms;
	return place > 0 ? place : 0;
}

void api_gate_hold(struct api_gate *gate, int64_t now_ms, int64_t pause_ms)
{
	if (gate->next_ms < now_ms + pause_ms)
		gate->next_ms = now_ms + pause_ms;
}

#include "runners/native_parameters.h"

#include "compiler/check.h"
#include "doc/path.h"

#define PATH "parameters"

void native_check_parameters(const json_t *declared, const json_t *given,
	bool (*is_of)(const json_t *value, const char *type), struct diag_list *diags)
{
	const char *name;
	json_t *value, *own;

	json_object_foreach ((json_t *)given, name, value) {
		const char *type = doc_str_or(json_object_get(declared, name), "type", "");

		if (!json_object_get(declared, name))
			diag_add(diags, PATH, "UnknownParameter",
				"the document has no parameter `%.63s`", name);
		else if (!json_is_null(value) && !is_of(value, type))
			diag_add(diags, PATH, "InvalidParameter",
				"`%.63s` is %s, and the document's parameter of that name is of "
				"type %.20s",
				name, check_kind_of(value), type);
	}
	json_object_foreach ((json_t *)declared, name, own) {
		if (!json_object_get(given, name) &&
			!json_is_true(json_object_get(own, "optional")))
			diag_add(diags, PATH, "Required",
				"the document needs a value of its parameter `%.63s` (%.20s): "
				"declare one of that name",
				name, doc_str_or(own, "type", ""));
	}
}

/* One change to a good document, and what is said of it; part of test_cli_import.c. */

#define COMPOSE "linear3.compose.yml"
#define KFP "linear3.kfp.yaml"
#define PYTHON "lightweight.compose.yml"
#define ARGS "argtypes.compose.yml"
#define TASK "root.dag.tasks.load-numbers"

struct import_case {
	const char *file, *from, *to;
	const char *path, *reason; /* a warning where there is a result, else an error */
	/* Where in the pipeline, and what stands there (JSON; NULL: nothing). */
	const char *where, *what;
};

static const struct import_case import_cases[] = {
	/* what is refused */
	{COMPOSE, "services:", "services: {}\nothers:", "services", "InvalidValue", NULL, NULL},
	{COMPOSE, "services:", "services: [1]\nothers:", "services", "InvalidValue", NULL, NULL},
	{COMPOSE, "- --rows\n", "- rows\n", "services.load_numbers.command[6]", "UnexpectedToken",
		NULL, NULL},
	{COMPOSE, "    - --input_manifest_path\n    - None\n", "    - --input_manifest_path\n",
		"services.load_numbers.command[12]", "UnexpectedToken", NULL, NULL},
	{COMPOSE, "- '10000'", "- 10000", "services.load_numbers.command[7]", "InvalidType", NULL,
		NULL},
	{COMPOSE, "- '10000'", "- ten", "services.load_numbers.command[7]", "InvalidArgument", NULL,
		NULL},
	{COMPOSE, "- '10000'", "- '1e3'", "services.load_numbers.command[7]", "InvalidArgument",
		NULL, NULL},
	{COMPOSE, "- '10000'", "- '9223372036854775808'", "services.load_numbers.command[7]",
		"InvalidArgument", NULL, NULL},
	{COMPOSE, "- --rows\n", "- --metadata\n", "services.load_numbers.command[7]",
		"DuplicateArgument", NULL, NULL},
	{COMPOSE, "- --operation_spec\n", "- --component_spec\n", "services.load_numbers",
		"Required", NULL, NULL},
	{COMPOSE, "- --working_directory\n", "- --storage\n", "services.load_numbers", "Required",
		NULL, NULL},
	{COMPOSE, "- '{\"specification\"", "- '[{\"specification\"",
		"services.load_numbers.command[11]", "InvalidJSON", NULL, NULL},
	{COMPOSE, "- '{\"dataset_name\"", "- 'no {\"dataset_name\"",
		"services.load_numbers.command[1]", "InvalidJSON", NULL, NULL},
	{COMPOSE, "{\"specification\": {\"name\": \"Load", "{\"spec\": {\"name\": \"Load",
		"services.load_numbers.command[11]", "Required", NULL, NULL},
	{COMPOSE, "      {}, \"produces\": {}}'\n    - --input_manifest_path\n    - None",
		"      {}, \"produces\": {\"number\": 7}}'\n    - --input_manifest_path\n    - "
		"None",
		"services.load_numbers.command[11].produces.number", "InvalidType", NULL, NULL},
	{COMPOSE, "    depends_on: {}\n", "    depends_on: {write_numbers: {}}\n",
		"services.load_numbers", "Cycle", NULL, NULL},
	{COMPOSE, "    depends_on: {}\n", "    depends_on: {load_numbers: {}}\n",
		"services.load_numbers", "Cycle", NULL, NULL},
	{COMPOSE, "    depends_on: {}\n", "    depends_on: {nobody: {}}\n", "services.load_numbers",
		"UnknownStep", NULL, NULL},
	{COMPOSE, "    depends_on: {}\n", "    depends_on: 7\n", "services.load_numbers.depends_on",
		"InvalidType", NULL, NULL},
	{COMPOSE, "    - None\n",
		"    - /artifacts/linear3/linear3-20240101000000/load_numbers/manifest.json\n",
		"services.load_numbers.command[13]", "Cycle", NULL, NULL},
	{COMPOSE,
		"    - /artifacts/linear3/linear3-20240101000000/square_numbers/manifest.json\n"
		"    - --working_directory",
		"    - /artifacts/linear3/linear3-20240101000000/load_numbers/manifest.json\n"
		"    - --working_directory",
		"services.square_numbers.command[3]", "DuplicateOutput", NULL, NULL},
	{COMPOSE, "    - /artifacts\n    - --rows", "    - /other\n    - --rows",
		"services.square_numbers.command[5]", "Inconsistent", NULL, NULL},
	{COMPOSE, "    - fondant\n    - execute\n", "    - python\n    - execute\n",
		"services.load_numbers.entrypoint", "UnsupportedEntrypoint", NULL, NULL},
	{COMPOSE, "    - fondant\n    - execute\n    - main\n    image: registry.example/lab/load",
		"    - 1\n    image: registry.example/lab/load", "services.load_numbers.entrypoint",
		"InvalidType", NULL, NULL},
	{COMPOSE, "    image: registry.example/lab/load_numbers:1.0\n", "    image: [x]\n",
		"services.load_numbers.image", "InvalidType", NULL, NULL},
	{COMPOSE, "    - source: /artifacts\n", "    - source: ./data\n",
		"services.load_numbers.volumes[0]", "UnsupportedVolume", NULL, NULL},
	{COMPOSE, "      type: bind\n", "      type: volume\n", "services.load_numbers.volumes[0]",
		"UnsupportedVolume", NULL, NULL},
	{COMPOSE, "  load_numbers:\n    command:", "  load_numbers: 7\n  other:\n    command:",
		"services.load_numbers", "InvalidType", NULL, NULL},
	{COMPOSE, "    - --cache\n    - 'True'", "    - --cache\n    - 'maybe'",
		"services.load_numbers.command[9]", "InvalidValue", NULL, NULL},
	{COMPOSE, "    depends_on: {}\n",
		"    depends_on: {}\n    deploy: {resources: {reservations: {devices: "
		"[{driver: amd, count: 1, capabilities: [gpu]}]}}}\n",
		"services.load_numbers.deploy.resources.reservations.devices", "Unsupported", NULL,
		NULL},
	{COMPOSE, "name: linear3\nservices:\n  load_numbers:",
		"name: linear3\nservices: &a\n  x: *a\n  load_numbers:", NULL, "InvalidYAML", NULL,
		NULL},
	{PYTHON, "fondant execute main", "fondant execute other", "services.makerows.entrypoint",
		"UnsupportedScript", NULL, NULL},
	{PYTHON, "'main.py'", "'other.py'", "services.makerows.entrypoint", "UnsupportedScript",
		NULL, NULL},
	{PYTHON, "self.rows = rows", "self.rows = 100 % rows", "services.makerows.entrypoint",
		"UnsupportedScript", NULL, NULL},
	{PYTHON, "unidecode>=1.3", "--pre unidecode>=1.3", "services.addz.entrypoint",
		"Unsupported", NULL, NULL},
	{ARGS, "- '1.5'", "- 'nan'", "services.load_all_args.command[11]", "InvalidArgument", NULL,
		NULL},
	{ARGS, "- 'True'\n    - --a_dict", "- 'yes'\n    - --a_dict",
		"services.load_all_args.command[13]", "InvalidArgument", NULL, NULL},
	{ARGS, "- '[\"x\", 1, 2.5", "- '[NaN, 1, 2.5", "services.load_all_args.command[17]",
		"InvalidArgument", NULL, NULL},
	{ARGS, "- '[\"x\", 1, 2.5, true, {\"k\": \"v\"}]'", "- '{}'",
		"services.load_all_args.command[17]", "InvalidArgument", NULL, NULL},
	{KFP, "constant: 10000.0", "constant: 10000.5", TASK ".inputs.parameters.rows",
		"InvalidArgument", NULL, NULL},
	{KFP, "constant: 10000.0", "constant: many", TASK ".inputs.parameters.rows",
		"InvalidArgument", NULL, NULL},
	{KFP, "            rows:\n              runtimeValue:\n                constant: 10000.0\n",
		"            rows:\n              componentInputParameter: rows\n",
		TASK ".inputs.parameters.rows", "Unsupported", NULL, NULL},
	{KFP, "      load-numbers:\n        cachingOptions: {}\n",
		"      load-numbers:\n        cachingOptions: {}\n        triggerPolicy: "
		"{condition: "
		"x}\n",
		TASK ".triggerPolicy", "Unsupported", NULL, NULL},
	{KFP, "name: comp-load-numbers", "name: comp-gone", "components", "Required", NULL, NULL},
	{KFP, "executorLabel: exec-load-numbers", "executorLabel: exec-gone",
		"deploymentSpec.executors", "Required", NULL, NULL},
	{KFP, "        - load-numbers\n        inputs", "        - gone\n        inputs",
		"root.dag.tasks.square-numbers", "UnknownStep", NULL, NULL},
	{KFP, "        - load-numbers\n        inputs", "        - 7\n        inputs",
		"root.dag.tasks.square-numbers.dependentTasks", "InvalidType", NULL, NULL},
	{KFP, "        image: registry.example/lab/load_numbers:1.0\n",
		"        image: registry.example/lab/load_numbers:1.0\n"
		"        resources: {memoryLimit: 1.0e+30}\n",
		"deploymentSpec.executors.exec-load-numbers.container.resources.memoryLimit",
		"InvalidValue", NULL, NULL},
	{KFP, "        - --rows\n", "        - rows\n",
		"deploymentSpec.executors.exec-load-numbers.container.args[0]", "UnexpectedToken",
		NULL, NULL},
	{KFP, "sdkVersion: kfp-2.6.0", "sdkVersion: kfp-2.6.0\n---\npipelineInfo: {}", "",
		"UnknownFormat", NULL, NULL},
	/* what is told */
	{COMPOSE, "name: linear3\n", "name: linear3\nnetworks: {a: {}}\n", "networks", "UnknownKey",
		"spec.workingDirectory", "\"/artifacts\""},
	{COMPOSE, "    depends_on: {}\n", "    depends_on: {}\n    environment: {A: b}\n",
		"services.load_numbers.environment", "UnknownKey", "spec.steps.0.name",
		"\"load-numbers\""},
	{COMPOSE, "- --rows\n", "- --raws\n", "services.load_numbers.command[7]", "UnknownArgument",
		"spec.steps.0.arguments", NULL},
	{COMPOSE, "- '10000'", "- None", "services.load_numbers.command[7]", "NoneAsDefault",
		"spec.steps.0.component.spec.args.rows.default", "\"None\""},
	{COMPOSE,
		"    depends_on: {}\n    entrypoint:\n    - fondant\n    - execute\n    - main\n"
		"    image: registry.example/lab/load_numbers:1.0\n",
		"    depends_on: {}\n    entrypoint:\n    - fondant\n    - execute\n    - main\n"
		"    build: {context: /src/load}\n",
		"services.load_numbers.build", "ImageToBuild", "spec.steps.0.component.spec.image",
		"\"registry.example/lab/load_numbers:1.0\""},
	{COMPOSE, "    - 8787:8787\n", "    - 80:80\n", "services.load_numbers.ports[0]",
		"PortLeftOut", "spec.steps.0.name", "\"load-numbers\""},
	{COMPOSE, "    - source: /artifacts\n",
		"    - /home/a/.azure:/root/.azure\n    - source: /artifacts\n",
		"services.load_numbers.volumes[0]", "CredentialsLeftOut",
		"spec.podTemplate.spec.volumes.0.hostPath.path", "\"/artifacts\""},
	{COMPOSE, "    - source: /artifacts\n", "    - /src:/dst:ro\n    - source: /artifacts\n",
		"services.load_numbers.volumes[0]", "HostPath",
		"spec.podTemplate.spec.containers.0.volumeMounts.0",
		"{\"mountPath\":\"/dst\",\"name\":\"host-1\",\"readOnly\":true}"},
	{COMPOSE, "dataset_description: null", "dataset_description: Numbers.",
		"services.load_numbers", "Renamed", "spec.description", "\"Numbers.\""},
	{COMPOSE, "    - None\n", "    - /data/$(x)/manifest.json\n", "services.load_numbers",
		"Renamed", "spec.steps.0.fromManifest", "\"/data/$$(x)/manifest.json\""},
	{COMPOSE, "name: linear3\n", "name: ''\n", "services.load_numbers", "Renamed",
		"metadata.name", "\"pipeline\""},
	{COMPOSE, "dataset_name\": \"linear3", "dataset_name\": \"dataset", "services.load_numbers",
		"Renamed", "spec.datasetName", NULL},
	{COMPOSE,
		"    - --cache\n    - 'True'\n    - --operation_spec\n"
		"    - '{\"specification\": {\"name\": \"Load",
		"    - --operation_spec\n    - '{\"specification\": {\"name\": \"Load",
		"services.load_numbers", "Renamed", "spec.steps.0.cache", "{\"policy\":\"Never\"}"},
	{PYTHON, "self.rows = rows", "self.rows = 100 %% rows", "services.makerows.entrypoint",
		"SourceChanged", "spec.steps.0.component.python.consumes", "{}"},
	{KFP, "        image: registry.example/lab/load_numbers:1.0\n",
		"        image: registry.example/lab/load_numbers:1.0\n"
		"        resources: {memoryRequest: 1.0e-09, memoryLimit: 4.0}\n",
		"deploymentSpec.executors.exec-load-numbers.container.resources.memoryRequest",
		"CPUAsMemory", "spec.steps.0.resources",
		"{\"limits\":{\"memory\":\"4G\"},\"requests\":{\"cpu\":\"1\"}}"},
	/* Vertex AI: its own words */
	{KFP, "        image: registry.example/lab/load_numbers:1.0\n",
		"        image: registry.example/lab/load_numbers:1.0\n"
		"        resources: {cpuLimit: 0.5, memoryLimit: 1.073741824, accelerator: "
		"{type: NVIDIA_TESLA_T4, count: '2'}}\n",
		TASK, "Renamed", "spec.steps.0.accelerator",
		"{\"count\":2,\"type\":\"NVIDIA_TESLA_T4\"}"},
	{KFP, "        image: registry.example/lab/load_numbers:1.0\n",
		"        image: registry.example/lab/load_numbers:1.0\n"
		"        resources: {cpuLimit: 0.5, memoryLimit: 1.073741824}\n",
		TASK, "Renamed", "spec.steps.0.resources",
		"{\"limits\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"}}"},
	{KFP, "sdkVersion: kfp-2.6.0",
		"sdkVersion: kfp-2.6.0\n---\nplatforms: {kubernetes: {deploymentSpec: {executors: "
		"{exec-load-numbers: {secretAsEnv: []}}}}}",
		"platforms.kubernetes.deploymentSpec.executors.exec-load-numbers.secretAsEnv",
		"UnknownKey", "spec.steps.0.podTemplate", NULL},
};

static json_t *at_path(const json_t *root, const char *path)
{
	const char *dot;

	while (root && *path) {
		size_t n = (dot = strchr(path, '.')) ? (size_t)(dot - path) : strlen(path);
		auto_free char *key = xstrndup(path, n);

		root = json_is_array(root) ? json_array_get(root, (size_t)strtol(key, NULL, 10))
					   : json_object_get(root, key);
		path += n + (dot != NULL);
	}
	return (json_t *)root;
}

static void check_case(const struct import_case *t)
{
	auto_free char *whole = read_file(t->file), *text = replaced(whole, t->from, t->to);
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *pipeline = NULL;
	struct doc_stream stream = {0};
	auto_free char *have = NULL;
	const json_t *there;

	if (strcmp(whole, text) == 0)
		fail_msg("the case does not change the document: %s", t->from);
	if (strcmp(t->reason, "InvalidYAML") == 0) {
		assert_int_not_equal(
			doc_yaml_parse(text, strlen(text), DOC_YAML_PYYAML, &stream, NULL), 0);
		return;
	}
	import_text(text, &pipeline, &diags);
	if (!find_diag(&diags, t->path, t->reason) || !pipeline == !!t->where) {
		print_diags(&diags);
		fail_msg("%s -> %s: want %s [%s]%s", t->from, t->to, t->path, t->reason,
			t->where ? ", and a pipeline" : "");
	}
	assert_true(t->where ? !diag_errors(&diags) : diag_errors(&diags) > 0);
	if (!t->where)
		return;
	there = at_path(pipeline, t->where);
	have = there ? canon_str(there, CANON_COMPACT) : NULL;
	if (!str_eq(have, t->what))
		fail_msg("%s -> %s: %s is %s, not %s", t->from, t->to, t->where,
			have ? have : "nothing", t->what ? t->what : "nothing");
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(import_cases); i++)
		check_case(&import_cases[i]);
}

/* Every beginning of a document is imported or explained. */
static void test_truncated(void **state)
{
	static const char *const files[] = {COMPOSE, KFP, PYTHON};

	(void)state;
	for (size_t f = 0; f < array_size(files); f++) {
		auto_free char *text = read_file(files[f]);

		for (size_t n = strlen(text); n > 50; n -= 37) {
			struct import_options options = {.name = NULL};
			struct doc_stream stream = {0};
			auto_diags diags = DIAG_LIST_INIT;
			json_t *pipeline = NULL;

			if (doc_yaml_parse(text, n, DOC_YAML_PYYAML, &stream, NULL) != 0)
				continue;
			if (import_stream(&stream, &options, &pipeline, &diags) != 0)
				assert_true(diag_errors(&diags) > 0 && !pipeline);
			else
				assert_true(diag_errors(&diags) == 0 && pipeline);
			json_decref(pipeline);
			doc_stream_free(&stream);
		}
	}
}

static void test_too_many(void **state)
{
	auto_buf text = BUF_INIT;
	auto_diags diags = DIAG_LIST_INIT;
	json_t *pipeline = NULL;

	(void)state;
	buf_adds(&text, "services:\n");
	for (int i = 0; i < 201; i++)
		buf_addf(&text, "  s%d: {}\n", i);
	import_text(buf_str(&text), &pipeline, &diags);
	assert_null(pipeline);
	assert_non_null(find_diag(&diags, "services", "InvalidValue"));
}

static void test_formats(void **state)
{
	static const char *const texts[] = {"", "a: 1", "[]", "7",
		"apiVersion: argoproj.io/v1alpha1\nkind: Workflow",
		"Version: '2020-12-01'\nSteps: []", "kind: FondantPipeline",
		"name: a\nimage: b\ndescription: c", "services: {}\n---\nservices: {}"};

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		auto_diags diags = DIAG_LIST_INIT;
		json_t *pipeline = NULL;

		import_text(texts[i], &pipeline, &diags);
		assert_null(pipeline);
		assert_non_null(find_diag(&diags, "", "UnknownFormat"));
	}
}

static void test_labels(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		const char *label;
	} labels[] = {{"load_from_parquet", 63, "load-from-parquet"},
		{"built_here-now_v2.0", 63, "built-here-now-v2-0"}, {"a/b_c!", 63, "a-b-c"},
		{"größe_大", 63, "gr-e"}, {"__", 63, ""}, {"", 63, ""}, {"abc_def", 4, "abc"},
		{"-A-", 63, "a"}};

	(void)state;
	for (size_t i = 0; i < array_size(labels); i++) {
		auto_free char *label = import_label(labels[i].text, labels[i].max);

		assert_string_equal(label, labels[i].label);
	}
}

/* Two ids that become one label. */
static void test_clash(void **state)
{
	auto_free char *whole = read_file(COMPOSE);
	auto_free char *text = replaced(whole, "square_numbers", "load-numbers");
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *pipeline = NULL;
	struct compile_output out;

	(void)state;
	import_text(text, &pipeline, &diags);
	assert_non_null(pipeline);
	assert_string_equal(
		json_string_value(at_path(pipeline, "spec.steps.1.name")), "load-numbers-2");
	assert_string_equal(
		json_string_value(at_path(pipeline, "spec.steps.2.from.0")), "load-numbers-2");
	assert_non_null(find_diag(&diags, "services.load-numbers", "Renamed"));
	assert_int_equal(compile(pipeline, &out), 0);
	compile_output_clear(&out);
}

static void test_name(void **state)
{
	auto_free char *text = read_file(COMPOSE);
	static const char *const names[] = {"other", "Other", "a.b"};

	(void)state;
	for (size_t i = 0; i < array_size(names); i++) {
		struct import_options options = {.name = names[i]};
		auto_diags diags = DIAG_LIST_INIT;
		auto_json *pipeline = NULL;
		struct doc_stream stream = {0};

		parse(text, &stream);
		assert_int_equal(import_stream(&stream, &options, &pipeline, &diags), i > 0);
		if (i == 0) {
			assert_string_equal(
				json_string_value(at_path(pipeline, "metadata.name")), "other");
			assert_string_equal(
				json_string_value(at_path(pipeline, "spec.datasetName")),
				"linear3");
		} else {
			assert_non_null(find_diag(&diags, "name", "InvalidName"));
		}
		doc_stream_free(&stream);
	}
}

#define TAIL " > 'main.py'\n fondant execute main \"$@\"\n"

/* printf of dash, without operands. */
static void test_scripts(void **state)
{
	static const struct {
		const char *script, *source, *requirements;
		bool changed;
	} scripts[] = {
		{"printf 'a b'" TAIL, "a b", NULL, false},
		{"printf a==1" TAIL, "a==1", NULL, false},
		{"printf 'a'\"'\"'b'" TAIL, "a'b", NULL, false},
		{"printf \"a\\\"b\\\\c\"" TAIL, "a\"b\\c", NULL, false},
		{"printf '%%d \\n \\t \\\\ \\101 \\q'" TAIL, "%d \n \t \\ A \\q", NULL, true},
		{"printf '[%s|%d|%b]'" TAIL, "[|0|]", NULL, true},
		{"printf 'x==1\ny' > 'requirements.txt'\n python3 -m pip install -r "
		 "requirements.txt\n printf s" TAIL,
			"s", "x==1\ny", false},
		{"printf '%5d'" TAIL, NULL, NULL, true},
		{"printf '%q'" TAIL, NULL, NULL, true},
		{"printf 'a%'" TAIL, NULL, NULL, true},
		{"printf '\\377'" TAIL, NULL, NULL, true},
		{"printf '\\0'" TAIL, NULL, NULL, true},
		{"printf a > 'requirements.txt'!x\nprintf a" TAIL, NULL, NULL, false},
		{"printf 'open" TAIL, NULL, NULL, false},
		{"printf $HOME" TAIL, NULL, NULL, false},
		{"printf \"$HOME\"" TAIL, NULL, NULL, false},
		{"printf `id`" TAIL, NULL, NULL, false},
		{"printf a; rm -rf x" TAIL, NULL, NULL, false},
		{"printf a > 'main.py'\n", NULL, NULL, false},
		{"printf a" TAIL "more\n", NULL, NULL, false},
		{"", NULL, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(scripts); i++) {
		auto_free char *source = NULL, *requirements = NULL, *why = NULL;
		bool changed = false;
		int outcome = import_script(
			scripts[i].script, false, &source, &requirements, &changed, &why);

		assert_int_equal(outcome, scripts[i].source ? 0 : 1);
		assert_true(str_eq(source, scripts[i].source));
		assert_true(str_eq(requirements, scripts[i].requirements));
		assert_true(!why == !outcome);
		if (scripts[i].source)
			assert_int_equal(changed, scripts[i].changed);
	}
}

/* --python-source=written: what a container could not even print is taken as it was. */
static void test_written_source(void **state)
{
	auto_free char *source = NULL, *requirements = NULL, *why = NULL;
	bool changed = false;

	(void)state;
	assert_int_equal(import_script("printf 'a % b\\n'" TAIL, true, &source, &requirements,
				 &changed, &why),
		0);
	assert_string_equal(source, "a % b\\n");
	assert_true(changed);
}

/* The same document gives the same text. */
static void test_deterministic(void **state)
{
	auto_free char *text = read_file(ARGS);
	auto_free char *fine = replaced(text, "'123456789012345678901234567890'", "'1'");
	auto_diags a_diags = DIAG_LIST_INIT, b_diags = DIAG_LIST_INIT;
	auto_json *a = NULL, *b = NULL;
	auto_free char *x = NULL, *y = NULL;

	(void)state;
	import_text(fine, &a, &a_diags);
	import_text(fine, &b, &b_diags);
	x = doc_yaml_dump(a);
	y = doc_yaml_dump(b);
	assert_string_equal(x, y);
}

static const struct CMUnitTest case_tests[] = {
	cmocka_unit_test(test_cases),
	cmocka_unit_test(test_truncated),
	cmocka_unit_test(test_too_many),
	cmocka_unit_test(test_formats),
	cmocka_unit_test(test_labels),
	cmocka_unit_test(test_clash),
	cmocka_unit_test(test_name),
	cmocka_unit_test(test_scripts),
	cmocka_unit_test(test_written_source),
	cmocka_unit_test(test_deterministic),
};

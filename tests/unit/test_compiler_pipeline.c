/* Bad pipelines: the path and the reason of what is said about each. */
#include "test_compiler_fixture.h"

struct bad {
	const char *path, *reason, *text;
};

#define COMPONENT(rest) "  component: {spec: {name: C, description: d, image: 'r/c:1'" rest "}}\n"
#define ONE(rest) SPEC_HEAD "steps:\n- name: a\n" COMPONENT("") rest
#define TOP(rest) SPEC_HEAD rest "steps:\n- name: a\n" COMPONENT("")
#define SPEC(rest)                                                                                 \
	SPEC_HEAD "steps:\n- name: a\n  component: {spec: {name: C, description: d, image: i" rest \
		  "}}\n"
#define ARGS(args, given) SPEC(", args: {" args "}") "  arguments: {" given "}\n"
#define PAIR(rest) SPEC_HEAD "steps:\n" STEP_LOAD STEP_TAKE rest
#define SECRET_REF "{secretKeyRef: {name: s, key: k}}"
#define SECRET(given) SPEC(", args: {token: {type: str}}") "  secretArguments: {" given "}\n"
#define FROM(path)                                                                           \
	SPEC_HEAD "steps:\n- name: a\n  component: {spec: {name: C, description: d, image: " \
		  "'r/c:1', consumes: {text: {type: string}}}}\n  consumes: {text: {type: "  \
		  "string}}\n  fromManifest: " path "\n"
#define POD(spec) ONE("  podTemplate: {spec: {" spec "}}\n")

static const struct bad bad[] = {
	/* the document */
	{"spec", "InvalidType", "[]\n"},
	{"spec", "InvalidType", "text\n"},
	{"spec.steps", "Required", SPEC_HEAD},
	{"spec.steps", "Required", SPEC_HEAD "steps: []\n"},
	{"spec.steps", "InvalidType", SPEC_HEAD "steps: {}\n"},
	{"spec.steps[0]", "InvalidType", SPEC_HEAD "steps: [1]\n"},
	{"spec.stepz", "UnknownField", TOP("stepz: []\n")},
	{"spec.suspend", "InvalidType", TOP("suspend: 'x'\n")},
	{"spec.description", "InvalidType", TOP("description: 1\n")},
	{"spec.datasetName", "InvalidName", TOP("datasetName: a/b\n")},
	{"spec.datasetName", "InvalidName", TOP("datasetName: .a\n")},
	{"spec.datasetName", "TooLong",
		TOP("datasetName: "
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n")},
	{"spec.timeout", "InvalidValue", TOP("timeout: 5 minutes\n")},
	{"spec.timeout", "InvalidValue", TOP("timeout: 0s\n")},
	{"spec.timeout", "InvalidType", TOP("timeout: 5\n")},
	{"spec.maxParallelSteps", "InvalidValue", TOP("maxParallelSteps: 0\n")},
	{"spec.maxParallelSteps", "InvalidType", TOP("maxParallelSteps: 1.5\n")},
	{"spec.successfulRunsHistoryLimit", "InvalidValue",
		TOP("successfulRunsHistoryLimit: -1\n")},
	{"spec.concurrencyPolicy", "InvalidValue", TOP("concurrencyPolicy: queue\n")},
	{"spec.deletionPolicy", "InvalidValue", TOP("deletionPolicy: Keep\n")},
	{"spec.failurePolicy", "InvalidValue", TOP("failurePolicy: Fast\n")},
	{"spec.serviceAccountName", "InvalidName", TOP("serviceAccountName: A_b\n")},
	{"spec.triggers.onchange", "UnknownField", TOP("triggers: {onchange: Spec}\n")},
	{"spec.triggers.onChange", "InvalidValue", TOP("triggers: {onChange: Always}\n")},
	{"spec.backendRef.nme", "UnknownField", TOP("backendRef: {name: x, nme: x}\n")},
	{"spec.backendRef.name", "Required", TOP("backendRef: {}\n")},
	/* not in this release */
	{"spec.concurrencyPolicy", "NotYetSupported", TOP("concurrencyPolicy: Replace\n")},
	{"spec.triggers.schedule", "NotYetSupported", TOP("triggers: {schedule: {cron: x}}\n")},
	{"spec.native", "Required", "native: {format: Compose}\n"},
	/* settings of steps */
	{"spec.parameters[0].type", "Required", TOP("parameters: [{name: a}]\n")},
	{"spec.imageDigestPolicy", "InvalidValue", TOP("imageDigestPolicy: Always\n")},
	{"spec.steps[0].component.catalog", "InvalidType",
		SPEC_HEAD "steps: [{name: a, component: {catalog: x}}]\n"},
	{"spec.steps[0].component.python", "InvalidType",
		SPEC_HEAD "steps: [{name: a, component: {python: x}}]\n"},
	{"spec.steps[0].accelerator", "InvalidType", ONE("  accelerator: GPU\n")},
	{"spec.steps[0].accelerator.type", "Required", ONE("  accelerator: {count: 1}\n")},
	{"spec.steps[0].accelerator.type", "InvalidValue", ONE("  accelerator: {type: gpu}\n")},
	{"spec.steps[0].accelerator.type", "InvalidValue", ONE("  accelerator: {type: a b/c}\n")},
	{"spec.steps[0].accelerator.type", "InvalidType", ONE("  accelerator: {type: 1}\n")},
	{"spec.steps[0].accelerator.count", "InvalidValue",
		ONE("  accelerator: {type: GPU, count: 0}\n")},
	{"spec.steps[0].accelerator.count", "InvalidType",
		ONE("  accelerator: {type: GPU, count: '1'}\n")},
	{"spec.steps[0].accelerator.number", "UnknownField",
		ONE("  accelerator: {type: GPU, number: 1}\n")},
	{"spec.steps[0].accelerator", "Duplicate",
		ONE("  accelerator: {type: GPU}\n  resources: {limits: {nvidia.com/gpu: 1}}\n")},
	{"spec.steps[0].accelerator", "Duplicate",
		ONE("  accelerator: {type: a.b/c}\n  resources: {requests: {a.b/c: 1}}\n")},
	{"spec.steps[0].instanceType", "InvalidValue", ONE("  instanceType: ''\n")},
	{"spec.steps[0].instanceType", "InvalidValue", ONE("  instanceType: 'a b'\n")},
	{"spec.steps[0].instanceType", "InvalidType", ONE("  instanceType: 4\n")},
	/* secret arguments */
	{"spec.steps[0].secretArguments", "InvalidType", ONE("  secretArguments: []\n")},
	{"spec.steps[0].secretArguments.x", "UnknownArgument", SECRET("x: " SECRET_REF)},
	{"spec.steps[0].secretArguments.tokn", "UnknownArgument", SECRET("tokn: " SECRET_REF)},
	{"spec.steps[0].secretArguments.token", "InvalidType", SECRET("token: geheim")},
	{"spec.steps[0].secretArguments.token.secretKeyRef", "Required", SECRET("token: {}")},
	{"spec.steps[0].secretArguments.token.secretKeyRef", "InvalidType",
		SECRET("token: {secretKeyRef: x}")},
	{"spec.steps[0].secretArguments.token.configMapKeyRef", "UnknownField",
		SECRET("token: {configMapKeyRef: {name: x, key: k}}")},
	{"spec.steps[0].secretArguments.token.secretKeyRef.key", "Required",
		SECRET("token: {secretKeyRef: {name: x}}")},
	{"spec.steps[0].secretArguments.token.secretKeyRef.optional", "UnknownField",
		SECRET("token: {secretKeyRef: {name: x, key: k, optional: true}}")},
	{"spec.steps[0].secretArguments.token.secretKeyRef.name", "InvalidName",
		SECRET("token: {secretKeyRef: {name: A_b, key: k}}")},
	{"spec.steps[0].secretArguments.token.secretKeyRef.key", "InvalidName",
		SECRET("token: {secretKeyRef: {name: a, key: 'y z'}}")},
	{"spec.steps[0].secretArguments.token.secretKeyRef.name", "ReferenceNotAllowed",
		SECRET("token: {secretKeyRef: {name: $(run.name), key: k}}")},
	{"spec.steps[0].secretArguments.token", "Duplicate",
		SECRET("token: " SECRET_REF) "  arguments: {token: x}\n"},
	{"spec.steps[0].arguments.token", "MissingArgument", SECRET("token: null")},
	/* an existing dataset */
	{"spec.steps[0].fromManifest", "InvalidType", FROM("5")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("''")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("data/manifest.json")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("s3://b/run/step/")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("s3://b/run/step")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("s3://manifest.json")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("s3://b/../manifest.json")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("s3://b//manifest.json")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("file:///b/manifest.json")},
	{"spec.steps[0].fromManifest", "InvalidValue", FROM("\"s3://b/a\\tb/manifest.json\"")},
	{"spec.steps[0].fromManifest", "UnknownReference", FROM("s3://b/$(run.date)/m.json")},
	{"spec.steps[0].fromManifest", "UnknownReference", FROM("s3://b/$(parameters.x)/m.json")},
	{"spec.steps[0].fromManifest", "ManifestNotMounted", FROM("/data/manifest.json")},
	{"spec.steps[0].fromManifest", "ReadsNothing",
		SPEC_HEAD "steps:\n" STEP_LOAD "  fromManifest: s3://b/manifest.json\n"},
	{"spec.steps[1].fromManifest", "InvalidValue",
		PAIR("  from: [load]\n  fromManifest: s3://b/manifest.json\n")},
	/* references where nothing replaces them */
	{"spec.datasetName", "ReferenceNotAllowed", TOP("datasetName: $(run.name)\n")},
	{"spec.workingDirectory", "ReferenceNotAllowed",
		"workingDirectory: s3://b/$(run.scheduledDate)\nsteps: []\n"},
	{"spec.serviceAccountName", "ReferenceNotAllowed",
		TOP("serviceAccountName: $(parameters.x)\n")},
	{"spec.triggers.rerunToken", "ReferenceNotAllowed",
		TOP("triggers: {rerunToken: $(run.name)}\n")},
	{"spec.steps[0].name", "ReferenceNotAllowed",
		SPEC_HEAD "steps:\n- name: $(parameters.x)\n" COMPONENT("")},
	{"spec.steps[0].component.spec.image", "ReferenceNotAllowed",
		SPEC_HEAD "steps: [{name: a, component: {spec: {name: C, description: d, image: "
			  "'r/c:$(parameters.tag)'}}}]\n"},
	{"spec.steps[0].component.spec.args.x.default", "ReferenceNotAllowed",
		ARGS("x: {type: str, default: $(run.name)}", "")},
	{"spec.steps[0].component.ref.name", "ReferenceNotAllowed",
		SPEC_HEAD "steps: [{name: a, component: {ref: {name: $(parameters.x)}}}]\n"},
	{"spec.steps[0].component.python.image", "ReferenceNotAllowed",
		SPEC_HEAD "steps: [{name: a, component: {python: {image: $(parameters.x)}}}]\n"},
	{"spec.steps[0].component.python.requirements[0]", "ReferenceNotAllowed",
		SPEC_HEAD "steps: [{name: a, component: {python: {requirements: "
			  "[$(parameters.x)]}}}]\n"},
	{"spec.steps[0].timeout", "ReferenceNotAllowed", ONE("  timeout: $(parameters.x)\n")},
	{"spec.steps[0].resources.limits.memory", "ReferenceNotAllowed",
		ONE("  resources: {limits: {memory: $(parameters.x)}}\n")},
	{"spec.steps[0].instanceType", "ReferenceNotAllowed",
		ONE("  instanceType: $(parameters.x)\n")},
	{"spec.steps[0].env[0].name", "ReferenceNotAllowed",
		ONE("  env: [{name: $(run.name), value: x}]\n")},
	{"spec.steps[0].env[0].valueFrom.secretKeyRef.key", "ReferenceNotAllowed",
		ONE("  env: [{name: A, valueFrom: {secretKeyRef: {name: x, key: "
		    "$(parameters.x)}}}]\n")},
	{"spec.steps[0].podTemplate.spec.nodeName", "ReferenceNotAllowed",
		POD("nodeName: $(parameters.x)")},
	{"spec.steps[0].podTemplate.spec.containers[0].env[0].value", "ReferenceNotAllowed",
		POD("containers: [{name: main, env: [{name: A, value: $(run.name)}]}]")},
	{"spec.podTemplate.metadata.labels.a", "ReferenceNotAllowed",
		TOP("podTemplate: {metadata: {labels: {a: $(run.name)}}}\n")},
	{"spec.steps[0].arguments.x.$(run.name)", "ReferenceNotAllowed",
		ARGS("x: {type: dict}", "x: {$(run.name): 1}")},
	{"spec.steps[1].consumes.text.field", "ReferenceNotAllowed",
		PAIR("  consumes: {text: {field: $(parameters.x)}}\n")},
	/* the working directory */
	{"spec.workingDirectory", "NoWorkingDirectory", "steps: []\n"},
	{"spec.workingDirectory", "InvalidValue", "workingDirectory: data/x\n"},
	{"spec.workingDirectory", "InvalidValue", "workingDirectory: s3://b/../x\n"},
	{"spec.workingDirectory", "InvalidValue", "workingDirectory: /a//b\n"},
	{"spec.workingDirectory", "InvalidValue", "workingDirectory: /\n"},
	{"spec.workingDirectory", "InvalidValue", "workingDirectory: 's3://'\n"},
	{"spec.workingDirectory", "InvalidValue", "workingDirectory: file:///x\n"},
	{"spec.workingDirectory", "WorkingDirectoryNotMounted",
		"workingDirectory: /data\nsteps:\n- name: a\n" COMPONENT("")},
	{"spec.workingDirectory", "WorkingDirectoryNotMounted",
		"workingDirectory: /data\npodTemplate: {spec: {containers: [{name: main, "
		"volumeMounts:"
		" [{name: d, mountPath: /dat}]}]}}\nsteps:\n- name: a\n" COMPONENT("")},
	/* steps */
	{"spec.steps[0].name", "Required", SPEC_HEAD "steps:\n- component: {ref: {name: x}}\n"},
	{"spec.steps[0].name", "InvalidName", SPEC_HEAD "steps:\n- name: A_b\n" COMPONENT("")},
	{"spec.steps[0].name", "InvalidName",
		SPEC_HEAD
		"steps:\n- name: "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" COMPONENT("")},
	{"spec.steps[1].name", "DuplicateName",
		SPEC_HEAD "steps:\n- name: a\n" COMPONENT("") "- name: a\n" COMPONENT("")},
	{"spec.steps[0].component", "Required", SPEC_HEAD "steps: [{name: a}]\n"},
	{"spec.steps[0].component", "InvalidValue",
		SPEC_HEAD "steps: [{name: a, component: {}}]\n"},
	{"spec.steps[0].component", "InvalidValue",
		SPEC_HEAD "steps: [{name: a, component: {ref: {name: x}, spec: {}}}]\n"},
	{"spec.steps[0].component.reff", "UnknownField",
		SPEC_HEAD "steps: [{name: a, component: {reff: {name: x}}}]\n"},
	{"spec.steps[0].component.ref.name", "ComponentNotFound",
		SPEC_HEAD "steps: [{name: a, component: {ref: {name: x}}}]\n"},
	{"spec.steps[0].arguents", "UnknownField", ONE("  arguents: {}\n")},
	{"spec.steps[0].inputPartitionRows", "InvalidValue", ONE("  inputPartitionRows: 0\n")},
	{"spec.steps[0].pendingTimeout", "InvalidValue", ONE("  pendingTimeout: 1d\n")},
	/* component files */
	{"spec.steps[0].component.spec.image", "Required",
		SPEC_HEAD "steps: [{name: a, component: {spec: {name: C, description: d}}}]\n"},
	{"spec.steps[0].component.spec.description", "InvalidValue",
		SPEC_HEAD
		"steps: [{name: a, component: {spec: {name: C, description: '', image: i}}}]"
		"\n"},
	{"spec.steps[0].component.spec.owner", "UnknownField", SPEC(", owner: me")},
	{"spec.steps[0].component.spec.image", "InvalidImage",
		SPEC_HEAD
		"steps: [{name: a, component: {spec: {name: C, description: d, image: 'a b'}}"
		"}]\n"},
	{"spec.steps[0].component.spec.produces.a.type", "InvalidFieldType",
		SPEC(", produces: {a: {type: text}}")},
	{"spec.steps[0].component.spec.produces.a", "InvalidFieldType",
		SPEC(", produces: {a: true}")},
	{"spec.steps[0].component.spec.args.x.type", "InvalidValue",
		SPEC(", args: {x: {type: string}}")},
	{"spec.steps[0].component.spec.args.metadata", "ReservedArgument",
		SPEC(", args: {metadata: {type: str}}")},
	{"spec.steps[0].component.spec.args.a b", "InvalidName",
		SPEC(", args: {a b: {type: str}}")},
	/* arguments */
	{"spec.steps[0].arguments.min_words", "MissingArgument",
		ARGS("min_words: {type: int}", "")},
	{"spec.steps[0].arguments.x", "MissingArgument",
		ARGS("x: {type: int, default: null}", "x: null")},
	{"spec.steps[0].arguments.min_wrods", "UnknownArgument",
		ARGS("min_words: {type: int, default: 1}", "min_wrods: 1")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: int}", "x: '5'")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: int}", "x: true")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: int}", "x: 1.5")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: float}", "x: '1'")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: bool}", "x: 1")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: str}", "x: 1")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: dict}", "x: [1]")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: list}", "x: {a: 1}")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: str}", "x: 'None'")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: str}", "x: '--'")},
	{"spec.steps[0].arguments.c", "ReservedArgument", ARGS("c: {type: str}", "c: v")},
	{"spec.steps[0].arguments.x", "UnknownReference",
		ARGS("x: {type: str}", "x: 'a $(parameters.y)'")},
	{"spec.steps[0].arguments.x.k[1]", "UnknownReference",
		ARGS("x: {type: dict}", "x: {k: [1, $(run.nam)]}")},
	{"spec.steps[0].arguments.x", "InvalidArgument", ARGS("x: {type: int}", "x: $(run.name)")},
	{"spec.steps[0].arguments.x", "UnknownReference", ARGS("x: {type: str}", "x: $(HOME)")},
	/* the graph */
	{"spec.steps[0].from", "NothingToRead", SPEC_HEAD "steps:\n" STEP_TAKE},
	{"spec.steps[1].from", "Required",
		PAIR("- name: z\n" COMPONENT("") "  dependsOn: [take]\n")},
	{"spec.steps[1].from[0]", "UnknownStep", PAIR("  from: [lod]\n")},
	{"spec.steps[1].from[1]", "Duplicate", PAIR("  from: [load, load]\n")},
	{"spec.steps[1].from[0]", "InvalidType", PAIR("  from: [1]\n")},
	{"spec.steps[1].from[0]", "Cycle", PAIR("  from: [take]\n")},
	{"spec.steps[0].dependsOn", "Cycle",
		SPEC_HEAD "steps:\n" STEP_LOAD "  dependsOn: [take]\n" STEP_TAKE
			  "  from: [load]\n"},
	{"spec.steps[0].from", "ReadsNothing",
		SPEC_HEAD "steps:\n" STEP_LOAD "  from: [take]\n" STEP_TAKE "  from: [load]\n"},
	{"spec.steps[1].dependsOn", "TooMany",
		PAIR("  from: [load]\n  dependsOn: "
		     "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,"
		     "21,22,23,24,25,26,27,28,29,30,31,32,33]\n")},
	{"spec.steps[2].from", "ReadsFromWriter",
		SPEC_HEAD
		"steps:\n" STEP_LOAD
		"- name: w\n  from: [load]\n  component: {spec: {name: W, description: d, "
		"image: i, tags: [Data writing], consumes: {additionalProperties: "
		"true}}}\n" STEP_TAKE "  from: [w]\n"},
	/* mappings and schemas */
	{"spec.steps[1].consumes.text", "MissingField", PAIR("  consumes: {text: {field: txt}}\n")},
	{"spec.steps[1].consumes.text", "TypeMismatch", PAIR("  consumes: {text: {field: num}}\n")},
	{"spec.steps[1].consumes.text", "TypeMismatch",
		PAIR("  consumes: {text: {type: int32}}\n")},
	{"spec.steps[1].consumes.txt", "UnknownField", PAIR("  consumes: {txt: {field: text}}\n")},
	{"spec.steps[1].consumes.text", "InvalidValue", PAIR("  consumes: {text: {}}\n")},
	{"spec.steps[1].consumes.text", "InvalidType", PAIR("  consumes: {text: text}\n")},
	{"spec.steps[1].consumes.text.fields", "UnknownField",
		PAIR("  consumes: {text: {fields: a}}\n")},
	{"spec.steps[0].consumes", "ReadsNothing",
		SPEC_HEAD "steps:\n" STEP_LOAD "  consumes: {a: {type: string}}\n"},
	{"spec.steps[0].produces.text", "DuplicateField",
		SPEC_HEAD "steps:\n" STEP_LOAD "  produces: {num: {field: text}}\n"},
	{"spec.steps[0].produces.text", "ReservedField",
		SPEC_HEAD "steps:\n" STEP_LOAD "  produces: {text: {field: id}}\n"},
	{"spec.steps[0].produces.num", "ReservedField",
		SPEC_HEAD "steps:\n" STEP_LOAD "  produces: {num: {field: index}}\n"},
	{"spec.steps[0].produces.num", "RenameCycle",
		SPEC_HEAD "steps:\n" STEP_LOAD
			  "  produces: {num: {field: text}, text: {field: num}}\n"},
	{"spec.steps[0].produces.x", "Required",
		SPEC(", produces: {additionalProperties: true}") "  produces: {x: {field: yy}}\n"},
	{"spec.steps[0].produces.x.type", "InvalidFieldType",
		SPEC(", produces: {additionalProperties: true}") "  produces: {x: {type: "
								 "strng}}\n"},
	{"spec.steps[0].produces.x.format", "InvalidFieldType",
		SPEC(", produces: {additionalProperties: true}") "  produces: {x: {type: string, "
								 "format: datetime}}\n"},
	{"spec.steps[0].produces.x", "UnsupportedRename",
		SPEC(", produces: {additionalProperties: true}") "  produces: {x: {type: "
								 "large_utf8, "
								 "field: yy}}\n"},
	/* settings of pods */
	{"spec.steps[0].podTemplate.spc", "UnknownField", ONE("  podTemplate: {spc: {}}\n")},
	{"spec.steps[0].podTemplate.spec.nodeselector", "UnknownField", POD("nodeselector: {}")},
	{"spec.steps[0].podTemplate.spec.restartPolicy", "ReservedField",
		POD("restartPolicy: Never")},
	{"spec.steps[0].podTemplate.spec.containers[0].name", "SidecarsNotSupported",
		POD("containers: [{name: proxy}]")},
	{"spec.steps[0].podTemplate.spec.containers", "TooMany",
		POD("containers: [{name: main}, {name: b}]")},
	{"spec.steps[0].podTemplate.spec.containers[0].image", "ReservedField",
		POD("containers: [{name: main, image: x}]")},
	{"spec.steps[0].podTemplate.spec.volumes[0].name", "ReservedName",
		POD("volumes: [{name: fondant-spec, emptyDir: {}}]")},
	{"spec.steps[0].podTemplate.spec.containers[0].volumeMounts[0].mountPath", "ReservedName",
		POD("containers: [{name: main, volumeMounts: [{name: a, mountPath: "
		    "/fondant/spec}]}]")},
	{"spec.steps[0].podTemplate.spec.initContainers[0].restartPolicy", "SidecarsNotSupported",
		POD("initContainers: [{name: a, restartPolicy: Always}]")},
	{"spec.podTemplate.metadata.labels.fondant.ai/run", "ReservedField",
		TOP("podTemplate: {metadata: {labels: {fondant.ai/run: x}}}\n")},
	{"spec.podTemplate.metadata.labels.a", "InvalidType",
		TOP("podTemplate: {metadata: {labels: {a: 1}}}\n")},
	{"spec.podTemplate.metadata.labels.a", "InvalidValue",
		TOP("podTemplate: {metadata: {labels: {a: 'b c'}}}\n")},
	{"spec.steps[0].env[0].name", "Required", ONE("  env: [{value: x}]\n")},
	{"spec.steps[0].env[1].name", "Duplicate",
		ONE("  env: [{name: A, value: x}, {name: A, value: z}]\n")},
	{"spec.steps[0].env[0].value", "InvalidType", ONE("  env: [{name: A, value: 1}]\n")},
	{"spec.steps[0].env[0].value", "UnknownReference",
		ONE("  env: [{name: A, value: $(HOME)}]\n")},
	{"spec.steps[0].env[0].name", "ReservedField",
		ONE("  env: [{name: FONDANT_SECRET_0, value: x}]\n")},
	{"spec.steps[0].env[0].valueFrom", "InvalidValue",
		ONE("  env: [{name: A, valueFrom: {}}]\n")},
	{"spec.steps[0].env[0].valueFrom.secretKeyRef.key", "Required",
		ONE("  env: [{name: A, valueFrom: {secretKeyRef: {name: x}}}]\n")},
	{"spec.steps[0].resources.request", "UnknownField", ONE("  resources: {request: {}}\n")},
	{"spec.steps[0].resources.limits.memory", "InvalidValue",
		ONE("  resources: {limits: {memory: 1 GB}}\n")},
	{"spec.steps[0].retry.limit", "InvalidValue", ONE("  retry: {limit: 1000}\n")},
	{"spec.steps[0].retry.on[0]", "InvalidValue", ONE("  retry: {'on': [OomKilled]}\n")},
	{"spec.steps[0].retry.on[0]", "InvalidValue", ONE("  retry: {on: [OomKilled]}\n")},
	{"spec.steps[0].retry.on", "Duplicate", ONE("  retry: {on: [Error], 'on': [Error]}\n")},
	{"spec.steps[0].retry.backoff.factor", "InvalidValue",
		ONE("  retry: {backoff: {factor: 0.5}}\n")},
	{"spec.steps[0].cache.policy", "InvalidValue", ONE("  cache: {policy: Always}\n")},
	{"spec.steps[0].cache.maxAge", "InvalidValue", ONE("  cache: {maxAge: 0s}\n")},
};

static void test_bad_input(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(bad); i++) {
		struct compile_output out;

		if (compile_text(bad[i].text, &out) == 0)
			fail_msg("should not compile:\n%s", bad[i].text);
		assert_null(out.frozen);
		if (!find_diag(&out.diags, bad[i].path, bad[i].reason)) {
			print_diags(&out.diags);
			fail_msg("no %s at %s:\n%s", bad[i].reason, bad[i].path, bad[i].text);
		}
		compile_output_clear(&out);
	}
	print_message("%zu bad inputs\n", array_size(bad));
}

/* All of them, once each, in document order; nothing that follows from another. */
static void test_all_at_once(void **state)
{
	static const char text[] =
		"datasetName: a b\nbogus: 1\nworkingDirectory: x\n"
		"steps:\n" STEP_LOAD "  arguments: {rows: x, more: 1}\n" STEP_TAKE
		"  consumes: {text: {field: txt}}\n"
		"- name: last\n  component: {spec: {name: L, description: d, "
		"image: i, consumes: {words: {type: string}}}}\n";
	static const char want[] =
		"spec.bogus: there is no such field; remove it\n"
		"spec.datasetName: must be letters, digits, _, . and -, beginning with a letter or "
		"digit\n"
		"spec.steps[0].arguments.more: the component has no such argument\n"
		"spec.steps[0].arguments.rows: expected int, got the string \"x\"\n"
		"spec.steps[1].consumes.text: step `take` reads field `txt` as `text` of type "
		"string, but the dataset of step `load` does not have it (it has: num, text); did "
		"you mean "
		"`text`?\n"
		"spec.steps[2].consumes.words: step `last` reads field `words` as `words` of type "
		"string, but step `take` makes `words` of type int32\n"
		"spec.workingDirectory: `x` cannot be used: give a URI such as s3://bucket/folder, "
		"or an absolute path on a mounted volume";
	auto_buf got = BUF_INIT;
	struct compile_output out;

	(void)state;
	assert_int_equal(compile_text(text, &out), 1);
	diag_format(&out.diags, &got, 100000);
	assert_string_equal(buf_str(&got), want);
	assert_int_equal(diag_errors(&out.diags), 7);
	assert_int_equal(diag_waits(&out.diags), 0);
	compile_output_clear(&out);
}

static void test_format_is_capped(void **state)
{
	auto_diags diags = DIAG_LIST_INIT;
	auto_buf got = BUF_INIT;

	(void)state;
	for (int i = 0; i < 300; i++)
		diag_add(&diags, "spec", "Reason", "message %d\nwith\x01 control \xff bytes", i);
	assert_int_equal(diags.len, DIAG_MAX);
	assert_int_equal(diag_errors(&diags), 300);
	diag_format(&diags, &got, 200);
	assert_true(got.len <= 200);
	assert_non_null(strstr(buf_str(&got), "\n... and 29"));
	assert_non_null(strstr(buf_str(&got), "spec: message 0 with  control ? bytes\n"));
}

static void test_component_refs(void **state)
{
	auto_json *spec = yaml(SPEC_HEAD "steps:\n- {name: a, component: {ref: {name: good}}}\n"
					 "- {name: b, component: {ref: {name: bad}}}\n"
					 "- {name: c, component: {ref: {name: bad}}}\n");
	auto_json *components = yaml(
		"good: {name: G, description: d, image: 'r/g:1', produces: {a: {type: string}}}\n"
		"bad: {name: B, description: d, image: 'r/b:1', args: {x: {type: nope}}}\n");
	auto_strvec names = STRVEC_INIT;
	struct compile_output out;

	(void)state;
	compile_component_refs(spec, &names);
	assert_int_equal(names.len, 2);
	assert_string_equal(names.items[0], "bad");
	assert_string_equal(names.items[1], "good");
	assert_int_equal(compile_trees(spec, components, &out), 1);
	assert_int_equal(out.diags.len, 1); /* once, though two steps refer to it */
	assert_string_equal(out.diags.items[0].path, "FondantComponent/bad: spec.args.x.type");
	compile_output_clear(&out);
	assert_int_equal(compile_trees(spec, NULL, &out), 1);
	assert_int_equal(diag_errors(&out.diags), 0);
	assert_int_equal(diag_waits(&out.diags), 3);
	compile_output_clear(&out);
}

static void test_names_of_the_object(void **state)
{
	auto_json *spec = yaml(SPEC_HEAD "steps:\n" STEP_LOAD);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "a-name-that-is-longer-than-forty-characters",
		.spec = spec,
		.features = KUBERNETES_FEATURES};
	struct compile_output out;

	(void)state;
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_non_null(find_diag(&out.diags, "metadata.name", "InvalidName"));
	compile_output_clear(&out);
	in.pipeline = "ok";
	in.working_directory = "gs://other/x//";
	json_object_del(spec, "workingDirectory");
	assert_int_equal(compile_pipeline(&in, &out), 0);
	assert_string_equal(
		json_string_value(json_object_get(out.frozen, "workingDirectory")), "gs://other/x");
	compile_output_clear(&out);
}

/* Each feature that a backend lacks is an error at the setting. */
static void test_features(void **state)
{
	static const struct {
		unsigned feature;
		const char *path, *text;
	} rows[] = {
		{BACKEND_RESOURCES, "spec.steps[0].resources", ONE("  resources: {}\n")},
		{BACKEND_POD_TEMPLATE, "spec.steps[0].podTemplate", ONE("  podTemplate: {}\n")},
		{BACKEND_ENV, "spec.steps[0].env", ONE("  env: []\n")},
		{BACKEND_POD_TEMPLATE, "spec.serviceAccountName", TOP("serviceAccountName: x\n")},
		{BACKEND_RETRY, "spec.steps[0].retry", ONE("  retry: {limit: 1}\n")},
		{BACKEND_TIMEOUT, "spec.steps[0].timeout", ONE("  timeout: 1h\n")},
		{BACKEND_TIMEOUT, "spec.timeout", TOP("timeout: 1h\n")},
		{BACKEND_PARALLEL_LIMIT, "spec.maxParallelSteps", TOP("maxParallelSteps: 2\n")},
		{BACKEND_LOCAL_PATHS, "spec.workingDirectory",
			"workingDirectory: /d\nsteps:\n- name: a\n" COMPONENT("")},
		{BACKEND_INSTANCE_TYPE, "spec.steps[0].instanceType", ONE("  instanceType: x\n")},
		{BACKEND_ACCELERATOR, "spec.steps[0].accelerator",
			ONE("  accelerator: {type: GPU}\n")},
		{BACKEND_PYTHON, "spec.steps[0].component.python",
			SPEC_HEAD "steps: [{name: a, component: {python: {image: i}}}]\n"},
		{BACKEND_LOCAL_PATHS, "spec.steps[0].fromManifest", FROM("/d/manifest.json")},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *spec = yaml(rows[i].text);
		struct compile_input in = {.namespace_ = "data",
			.pipeline = "p",
			.spec = spec,
			.backend = "plain",
			.features = ~0U & ~rows[i].feature};
		struct compile_output out;

		compile_pipeline(&in, &out);
		if (!find_diag(&out.diags, rows[i].path, "UnsupportedSetting"))
			fail_msg("no UnsupportedSetting at %s", rows[i].path);
		compile_output_clear(&out);
		in.features = ~0U;
		compile_pipeline(&in, &out);
		assert_null(find_diag(&out.diags, rows[i].path, "UnsupportedSetting"));
		compile_output_clear(&out);
	}
}

/* What a backend could only pass as plain text has a reason of its own. */
static void test_secret_arguments(void **state)
{
	auto_json *spec = yaml(SECRET("token: " SECRET_REF));
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = spec,
		.backend = "plain",
		.features = ~0U & ~(unsigned)BACKEND_SECRET_ARGUMENTS};
	struct compile_output out;
	char hash[DIGEST_HEX_SIZE];

	(void)state;
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_int_equal(out.diags.len, 1);
	assert_non_null(find_diag(
		&out.diags, "spec.steps[0].secretArguments", "UnsupportedSecretArgument"));
	compile_output_clear(&out);
	in.features = ~0U;
	assert_int_equal(compile_pipeline(&in, &out), 0);
	assert_non_null(strstr(out.text, "\"secretArguments\":{\"token\":{\"secretKeyRef\":{"
					 "\"key\":\"k\",\"name\":\"s\"}}}"));
	assert_non_null(strstr(out.text, "\"arguments\":{}"));
	memcpy(hash, out.hash, sizeof(hash));
	compile_output_clear(&out);
	/* Empty ones ask nothing of a backend, and are not there. */
	json_object_set_new(json_array_get(json_object_get(spec, "steps"), 0), "secretArguments",
		json_object());
	in.features = ~0U & ~(unsigned)BACKEND_SECRET_ARGUMENTS;
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_non_null(find_diag(&out.diags, "spec.steps[0].arguments.token", "MissingArgument"));
	compile_output_clear(&out);
}

/* What must pass: the kubelet's own references, prose, programs, literal text. */
static void test_good(void **state)
{
	static const char *const good[] = {
		POD("containers: [{name: main, env: [{name: A, value: x}, {name: B, value: "
		    "'$(A)/$$(run.name)'}]}]"),
		POD("initContainers: [{name: i, image: x, command: [sh, -c, 'echo $(run.sh) "
		    "$(HOME)']}]"),
		TOP("description: Reads $(parameters.x) on $(run.scheduledDate).\n"),
		ARGS("x: {type: str, description: as $(run.name)}", "x: $$(run.name)"),
		ARGS("x: {type: str}", "x: 'a $(run.scheduledTime)'"),
		ARGS("x: {type: str, default: $$(run.name)}", ""),
		ONE("  env: [{name: A, value: '$(run.name) $$(HOME)'}]\n"),
		ONE("  env: [{name: A}]\n"),
		ONE("  accelerator: {type: TPU, count: 8}\n  instanceType: ml.p3.2xlarge\n"),
		ONE("  accelerator: {type: amd.com/gpu, count: null}\n"),
		ONE("  accelerator: null\n  secretArguments: null\n  fromManifest: null\n"),
		ONE("  secretArguments: {}\n"),
		SECRET("token: " SECRET_REF),
		SECRET("token: " SECRET_REF) "  arguments: {token: null}\n",
		FROM("s3://b/run/step/manifest.json"),
		FROM("abfs://c@account.example/x/m.json"),
		FROM("s3://b/$(run.scheduledDate)/manifest.json"),
		FROM("s3://b/$$(x)/manifest.json"),
		FROM("/data/x/manifest.json\n  podTemplate: {spec: {volumes: [{name: d}], "
		     "containers: [{name: main, volumeMounts: [{name: d, mountPath: /data, "
		     "readOnly: true}]}]}}"),
		"parameters: [{name: base, type: str}]\n" FROM("$(parameters.base)/manifest.json"),
		"parameters: [{name: base, type: str, default: 's3://b'}]\n" FROM(
			"$(parameters.base)/manifest.json"),
	};

	(void)state;
	for (size_t i = 0; i < array_size(good); i++) {
		struct compile_output out;

		compile_ok(good[i], &out);
		compile_output_clear(&out);
	}
}

static void test_too_large(void **state)
{
	auto_json *spec = yaml(SPEC_HEAD "steps:\n" STEP_LOAD "  podTemplate: {}\n");
	json_t *step = json_array_get(json_object_get(spec, "steps"), 0);
	auto_free char *big = xmalloc(1200001);
	struct compile_output out;
	const struct diag *d;

	(void)state;
	memset(big, 'x', 1200000);
	big[1200000] = '\0';
	json_object_set_new(json_object_get(step, "podTemplate"), "metadata",
		json_pack("{s:{s:s}}", "annotations", "note", big));
	assert_int_equal(compile_trees(spec, NULL, &out), 1);
	d = find_diag(&out.diags, "spec.steps[0].podTemplate", "SpecTooLarge");
	assert_non_null(d);
	assert_non_null(strstr(d->message, "1171 KiB"));
	assert_null(out.text);
	compile_output_clear(&out);
}

/* Linux passes 128 KiB in one argument. */
static void test_argument_too_long(void **state)
{
	auto_json *spec = yaml(ARGS("x: {type: str}", "x: ''"));
	json_t *step = json_array_get(json_object_get(spec, "steps"), 0);
	auto_free char *big = xmalloc(131073);
	struct compile_output out;

	(void)state;
	memset(big, 'x', 131072);
	big[131072] = '\0';
	json_object_set_new(json_object_get(step, "arguments"), "x", json_string(big));
	assert_int_equal(compile_trees(spec, NULL, &out), 1);
	assert_non_null(find_diag(&out.diags, "spec.steps[0]", "ArgumentTooLong"));
	compile_output_clear(&out);
	big[131071] = '\0';
	json_object_set_new(json_object_get(step, "arguments"), "x", json_string(big));
	assert_int_equal(compile_trees(spec, NULL, &out), 0);
	compile_output_clear(&out);
}

/* Limits hold, and time with them: hostile sizes are refused, not worked through. */
static void test_hostile(void **state)
{
	auto_json *spec = yaml(SPEC_HEAD "steps: []\n");
	json_t *steps = json_object_get(spec, "steps"), *deep = json_object();
	struct compile_output out;

	(void)state;
	for (int i = 0; i < 5000; i++)
		json_array_append_new(
			steps, json_pack("{s:s, s:[s,s]}", "name", "a", "from", "b", "c"));
	assert_int_equal(compile_trees(spec, NULL, &out), 1);
	assert_non_null(find_diag(&out.diags, "spec.steps", "TooMany"));
	compile_output_clear(&out);
	for (int i = 0; i < 60; i++)
		deep = json_pack("{s:o}", "a", deep);
	json_object_set(spec, "podTemplate", deep);
	json_object_set_new(spec, "steps", json_array());
	compile_trees(spec, NULL, &out);
	assert_non_null(find_diag(&out.diags, "spec.podTemplate", "TooDeep"));
	compile_output_clear(&out);
	json_decref(deep);
}

/* kubectl reads an unquoted `on:` as the key `true`: the same setting, the same frozen spec. */
static void test_unquoted_on(void **state)
{
	struct compile_output quoted, plain;

	(void)state;
	assert_int_equal(compile_text(ONE("  retry: {limit: 1, 'on': [Error]}\n"), &quoted), 0);
	assert_int_equal(compile_text(ONE("  retry: {limit: 1, on: [Error]}\n"), &plain), 0);
	assert_string_equal(quoted.hash, plain.hash);
	assert_non_null(strstr(plain.text, "\"on\":[\"Error\"]"));
	compile_output_clear(&quoted);
	compile_output_clear(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unquoted_on),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_format_is_capped),
		cmocka_unit_test(test_component_refs),
		cmocka_unit_test(test_names_of_the_object),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_secret_arguments),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_argument_too_long),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("compiler/pipeline", tests, NULL, NULL);
}

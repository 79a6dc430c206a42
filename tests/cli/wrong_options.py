"""Command lines that cannot be meant: what ``ccx`` says of each, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.spoilt_inputs import Wrong
else:
    from spoilt_inputs import Wrong

OPTIONS = [
    Wrong(
        "explain TINY --units 1,x",
        2,
        "--units 1,x is not a list of units such as 1,5,10-20.",
    ),
    Wrong(
        "explain TINY --units 7-3",
        2,
        "--units 7-3 is not a list of units such as 1,5,10-20.",
    ),
    Wrong(
        "explain TINY --units 47-48",
        2,
        "--units 47-48 goes past the end of layer4, which has the units 0 to 47.",
    ),
    Wrong(
        "explain TINY --units 0 --random-units 3",
        2,
        "--units and --random-units are mutually exclusive.",
    ),
    Wrong(
        "explain TINY --random-units 49",
        2,
        "--random-units 49 is more than the 48 units of layer4.",
    ),
    Wrong(
        "explain TINY --random-units -1",
        2,
        "Invalid value for '--random-units': 0 or more is needed.",
    ),
    Wrong(
        "explain TINY --memory 8",
        2,
        "--memory 8 is not an amount: write it as 8GB or 500MB.",
    ),
    Wrong(
        "explain TINY --num-clusters 0",
        2,
        "--num-clusters 0 must be 1 or more.",
    ),
    Wrong(
        "explain TINY --num-clusters 1001",
        2,
        "--num-clusters 1001 must be 1,000 or less.",
    ),
    Wrong(
        "explain TINY --quantile 1.5",
        2,
        "--quantile 1.5 must be between 0 and 1.",
    ),
    Wrong(
        "explain TINY --quantile nan",
        2,
        "--quantile nan must be between 0 and 1.",
    ),
    Wrong(
        "explain TINY --kmeans exakt",
        2,
        "Invalid value for '--kmeans': 'exakt' is not one of 'exact', 'sklearn'.",
    ),
    Wrong(
        "explain TINY --kmeans sklearn --n-init 0",
        2,
        "--n-init 0 must be 1 or more.",
    ),
    Wrong(
        "explain TINY --ranges 1e400:inf",
        2,
        "--ranges 1e400:inf is not a list of ranges such as 0:1.5,1.5:inf.",
    ),
    Wrong(
        "explain TINY --ranges 2:1",
        2,
        "--ranges 2:1 is not a list of ranges such as 0:1.5,1.5:inf.",
    ),
    Wrong(
        "explain TINY --length 0",
        2,
        "--length 0 must be 1 or more.",
    ),
    Wrong(
        "explain TINY --length 101",
        2,
        "--length 101 must be 100 or less.",
    ),
    Wrong(
        "explain TINY --search beam --beam-limit 0",
        2,
        "--beam-limit 0 must be 1 or more.",
    ),
    Wrong(
        "explain TINY --search bean",
        2,
        "Invalid value for '--search': 'bean' is not one of 'optimal', 'beam'.",
    ),
    Wrong(
        "explain TINY --node-limit -1",
        2,
        "--node-limit -1 must be 0 or more.",
    ),
    Wrong(
        "explain TINY --time-limit nan",
        2,
        "--time-limit nan must be 0 or more.",
    ),
    Wrong(
        "explain TINY --length-penalty 1.5",
        2,
        "--length-penalty 1.5 must be above 0 and at most 1.",
    ),
    Wrong(
        "explain TINY --within 100%",
        2,
        "--within 100% is not a share below 1, such as 1% or 0.01.",
    ),
    Wrong(
        "explain TINY --operators and,xor",
        2,
        "--operators and,xor may name or, and and not, not xor.",
    ),
    Wrong(
        "explain TINY --categories colour",
        2,
        "--categories colour is no category of this dataset, did you mean color?",
    ),
    Wrong(
        "explain TINY --concepts balk",
        2,
        "--concepts: No concept of the images that are searched is called 'balk', did you mean "
        "ball?",
    ),
    Wrong(
        "explain TINY --min-frequency 99",
        2,
        "No concept is left to search with: loosen --categories, --concepts, --exclude, "
        "--min-frequency or --min-quality.",
    ),
    Wrong(
        "explain TINY --split train",
        2,
        "--split train leaves no images to search or none to score on: the images are marked val.",
    ),
    Wrong(
        "explain TINY --preset netdisect",
        2,
        "Invalid value for '--preset': 'netdisect' is not one of 'netdissect', 'compexp', 'cce'.",
    ),
    Wrong(
        "explain TINY --layer layer5",
        2,
        "--layer layer5 is not a layer of demo (`ccx layers --model demo` lists them), did you "
        "mean layer4 or layer3 or layer2?",
    ),
    Wrong(
        "explain TINY --layer layer3 --layer layer4 --layer layer4.9",
        2,
        "--layer layer4.9 is not a layer of demo (`ccx layers --model demo` lists them), did "
        "you mean layer4 or layer3.2 or layer3.1?",
    ),
    Wrong(
        "explain --model demp --subset tiny",
        2,
        "--model demp is not known, did you mean demo?",
    ),
    Wrong(
        "explain TINY --pretrained nome",
        2,
        "--pretrained nome is not known, did you mean none?",
    ),
    Wrong(
        "explain TINY --device gpu",
        2,
        "--device gpu is not known: it is cpu, cuda, cuda:N or auto.",
    ),
    Wrong(
        "explain TINY --batch-size 0",
        2,
        "Invalid value for '--batch-size': 1 or more is needed.",
    ),
    Wrong(
        "explain TINY --workers -1",
        2,
        "Invalid value for '--workers': 0 or more is needed.",
    ),
    Wrong(
        "explain TINY --seed -1",
        2,
        "--seed -1 must be 0 to 9,223,372,036,854,775,807.",
    ),
    Wrong(
        "explain TINY --precision double",
        2,
        "Invalid value for '--precision': 'double' is not one of 'single', 'half', 'float16', "
        "'bfloat16'.",
    ),
    Wrong(
        "explain TINY --input-size 0x224",
        2,
        "--input-size 0x224 is not a size in pixels, such as 224, or 224x160 for height x "
        "width, of at most 4096.",
    ),
    Wrong(
        "explain TINY --mean 1,2",
        2,
        "--mean 1,2 is not three numbers such as 0.485,0.456,0.406, or one.",
    ),
    Wrong(
        "explain TINY --std 0",
        2,
        "--std 0 is not three positive numbers such as 0.485,0.456,0.406, or one.",
    ),
    Wrong(
        "explain TINY --model-arg width=2",
        2,
        "--model-arg width=2 is for a factory of your own or a network of timm: leave it out "
        "for demo.",
    ),
    Wrong(
        "explain TINY --format xml",
        2,
        "Invalid value for '--format' / '-f': 'xml' is not one of 'table', 'json', 'jsonl', "
        "'csv', 'parquet'.",
    ),
    Wrong(
        "explain TINY -o .",
        2,
        "--output . is a directory: name a file.",
    ),
    Wrong(
        "explain TINY --weights w.pth",
        2,
        "--pretrained none starts from random weights but --weights w.pth gives some: choose "
        "one of the two.",
    ),
    Wrong(
        "explain --model demo --pretrained none --subset tinny",
        2,
        "No image path of {data}/datasets/broden1_224/index.csv contains --subset 'tinny', "
        "choose one of all, tiny, did you mean tiny?",
    ),
    Wrong(
        "explain --no-such",
        2,
        "No such option: --no-such (Possible options: --no-color).",
    ),
    Wrong(
        "explian",
        2,
        "No such command 'explian'. Did you mean 'explain'?",
    ),
    Wrong(
        "explain TINY stray",
        2,
        "Got unexpected extra argument(s) (stray): `ccx explain --help` lists what there is.",
    ),
    Wrong(
        "explain TINY --config .",
        2,
        ". is a directory: name a TOML file.",
    ),
    Wrong(
        "metrics --bootstrap -1",
        2,
        "Invalid value for '--bootstrap': 0 or more is needed.",
    ),
    Wrong(
        "metrics --units 48 --no-label-masking",
        2,
        "--units 48 goes past the end of the run {run}, which has the units 0 to 3.",
    ),
    Wrong(
        "metrics --device tpu",
        2,
        "--device tpu is not known: it is cpu, cuda, cuda:N or auto.",
    ),
    Wrong(
        "simulate --shuffles 1001",
        2,
        "Invalid value for '--shuffles': 1000 or less is needed.",
    ),
    Wrong(
        "simulate --units 48",
        2,
        "--units 48 goes past the end of the run {run}, which has the units 0 to 3.",
    ),
    Wrong(
        "compare units demo-none nowhere",
        3,
        "There is no run nowhere in {data}/results: there is {run}.",
    ),
    Wrong(
        "metrics nowhere",
        3,
        "There is no run nowhere in {data}/results: there is {run}.",
    ),
    Wrong(
        "render --top-k 0 --dir-images .",
        2,
        "Invalid value for '--top-k': 1 or more is needed.",
    ),
    Wrong(
        "render -q --filename-figure a/b --dir-images .",
        2,
        "--filename-figure a/b is not a file name: set the directory with --dir-images.",
    ),
    Wrong(
        "render --html {data}/datasets/broden1_224/label.csv",
        2,
        "--html {data}/datasets/broden1_224/label.csv is neither an .html file nor a "
        "directory: end the name in .html.",
    ),
    Wrong(
        "score ball TINY --unit 48",
        2,
        "--unit 48 goes past the end of layer4, which has the units 0 to 47.",
    ),
    Wrong(
        "compare runs nowhere tiny",
        3,
        "There is no run nowhere in {data}/results: there is {run}.",
    ),
    Wrong(
        "compare heuristics TINY --heuristic mmseh",
        2,
        "--heuristic mmseh is not known, did you mean mmesh?",
    ),
    Wrong(
        "cache clear . --yes",
        3,
        "There is no cache .: see `ccx cache list`.",
    ),
    Wrong(
        "cache clear",
        2,
        "This would remove {data}/segmentations/broden1_224-tiny-28x28-{library} for all but its "
        "formulas: add --yes to do so.",
    ),
    Wrong(
        "layers --model nets.py:make",
        3,
        "--model nets.py:make: the file {here}/nets.py is not there: check the path.",
    ),
    Wrong(
        "layers --model json:dumps",
        1,
        "--model json:dumps: the factory raises TypeError: dumps() missing 1 required "
        "positional argument: 'obj': mend it, or its --model-arg (--debug shows where).",
    ),
    Wrong(
        "fetch broden225",
        2,
        "broden225 is not known, did you mean broden227 or broden224?",
    ),
    Wrong(
        "concepts --subset tiny horse",
        2,
        "No concept of tiny has 'horse' in its name.",
    ),
    Wrong(
        "config explian",
        2,
        "explian is no command, did you mean explain?",
    ),
    Wrong(
        "rerun nowhere",
        3,
        "There is no run nowhere in {data}/results: there is {run}.",
    ),
]
FORMULAS = [
    Wrong(
        'score "" TINY',
        2,
        'The formula is empty: write one such as "(water OR river) AND NOT blue".',
    ),
    Wrong(
        'score "red-c AND" TINY',
        2,
        "The formula ends after 'AND' at character 7, where a concept, NOT or \"(\" is expected.",
    ),
    Wrong(
        'score "red-c AND (ball" TINY',
        2,
        "The formula never closes '(' at character 11: add a \")\".",
    ),
    Wrong(
        'score "red-c ball" TINY',
        2,
        "No concept is called 'red-c ball' (character 1 of the formula): put AND, OR or AND "
        "NOT between red-c and ball.",
    ),
    Wrong(
        'score "red-c XOR ball" TINY',
        2,
        "No concept is called 'red-c XOR ball' (character 1 of the formula): the names are "
        "those of the dataset's label.csv.",
    ),
    Wrong(
        'score "red-c, ball" TINY',
        2,
        "The formula has ',' at character 6 outside quotes: put the name that it belongs to in "
        "double quotes.",
    ),
    Wrong(
        'score "NOT" TINY',
        2,
        "The formula ends after 'NOT' at character 1, where a concept, NOT or \"(\" is expected.",
    ),
    Wrong(
        'score "purple-c" TINY',
        2,
        "No concept is called 'purple-c' (character 1 of the formula), did you mean red-c?",
    ),
    Wrong(
        'score "#999" TINY',
        2,
        "No concept has the label number 999 (character 1 of the formula): the numbers are "
        "those of the dataset's label.csv.",
    ),
    Wrong(
        'score "\'ball" TINY',
        2,
        "The formula never closes the quote at character 1: add a '.",
    ),
    Wrong(
        'score "unicorn" TINY --unit 1',
        2,
        "No pixel of the scored images carries unicorn: write formulas of concepts that some "
        "pixel of them carries.",
    ),
]

"""A folder with a folder of pictures for each class: brought, trained on, asked.

python examples/own_pictures.py FOLDER [PICTURE ...]
"""

import sys

from traind import Client

folder, *pictures = sys.argv[1:]

with Client() as client:
    dataset = client.datasets.add(folder)
    assert dataset.facts is not None
    print(
        f"{dataset.name}@{dataset.version}: {dataset.facts.train_images} pictures to train on, "
        f"{dataset.facts.classes} classes"
    )
    spec = {"preset": "images", "dataset": {"name": dataset.name}}
    print(f"about {client.validate(spec).estimated_seconds} s")
    model = client.train(spec).wait(progress=True).model()
    report = model.report()
    low, high = report.accuracy.low, report.accuracy.high
    print(f"accuracy {report.accuracy.value:.1%} (95%: {low:.1%} to {high:.1%})")
    for mistake in report.worst_mistakes[:5]:
        print(f"  {mistake.name}: {mistake.label}, taken for {mistake.predicted}")
    for picture, answer in zip(pictures, model.predict(pictures), strict=True):
        print(f"{picture}: {answer.label} ({answer.confidence:.0%})")

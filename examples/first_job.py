"""From nothing to a promoted model: train, look at what was measured, predict.

    python examples/first_job.py

The service is that of TRAIND_URL, or http://127.0.0.1:8000 (`make serve`).
"""

from traind import Client

# A handwritten seven, 8 x 8 pixels from 0 (white) to 16, as scikit-learn's digits are.
SEVEN = [
    [0, 0, 7, 8, 13, 16, 15, 1],
    [0, 0, 7, 7, 4, 11, 12, 0],
    [0, 0, 0, 0, 8, 13, 1, 0],
    [0, 4, 8, 8, 15, 15, 6, 0],
    [0, 2, 11, 15, 15, 4, 0, 0],
    [0, 0, 0, 16, 5, 0, 0, 0],
    [0, 0, 9, 15, 1, 0, 0, 0],
    [0, 0, 13, 5, 0, 0, 0, 0],
]

with Client() as client:
    job = client.train(preset="digits", labels={"from": "examples"}).wait(progress=True)
    model = job.model()
    print(f"{model.id}: {model.answer.metrics['test_accuracy']:.1%} of the test images")
    for scores in model.report().classes[:3]:
        print(f"  {scores.label}: precision {scores.precision:.0%}, recall {scores.recall:.0%}")
    answer = model.predict(SEVEN)[0]
    print(f"this is a {answer.label}, with a confidence of {answer.confidence:.0%}")
    alias = model.promote()
    print(f"{alias.name} is {alias.model} now; before it was {alias.previous}")

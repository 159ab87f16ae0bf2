"""FastAPI with torch, as tutorials have it: a list of floats through pydantic, a sync endpoint."""

import os

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from safetensors.torch import load_file
from torch import nn

torch.set_num_threads(1)
network = nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))
network.load_state_dict(load_file(os.environ["MODEL"].replace(".onnx", ".safetensors")))
app = FastAPI()


class Images(BaseModel):
    """Pixels from 0 to 255."""

    inputs: list[list[float]]


@app.post("/predict")
def predict(images: Images) -> dict[str, object]:
    """Class and probabilities of each image."""
    with torch.inference_mode():
        pixels = (torch.tensor(images.inputs) / 255 - 0.1307) / 0.3081
        probabilities = network(pixels).softmax(1)
    predictions = [
        {
            "label": str(int(row.argmax())),
            "confidence": float(row.max()),
            "probabilities": row.tolist(),
        }
        for row in probabilities
    ]
    return {"model": "naive", "predictions": predictions}


uvicorn.run(app, port=int(os.environ["PORT"]), access_log=False, log_level="warning")

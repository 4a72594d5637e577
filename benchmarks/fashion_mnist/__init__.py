"""Fashion-MNIST (MIT licence, Zalando SE): a trained ResNet-20, the data it was trained on, and how."""

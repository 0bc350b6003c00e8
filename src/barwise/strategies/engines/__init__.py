"""Libraries that train a net in torch's place: TensorFlow and JAX by Keras, and MLX. Scoring stays torch's."""
